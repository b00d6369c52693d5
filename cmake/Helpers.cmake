# prosodia_library(NAME SOURCES … LINK …): one folder, one static library; headers are included from the source root.
function(prosodia_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

# prosodia_test(NAME SOURCES … LINK … [LABELS …] [TORCH]): a GoogleTest program, one ctest entry a program.
# Tests get PROSODIA_SHARED_DIR (real data, skipped when absent) and PROSODIA_SOURCE_DIR in their environment.
function(prosodia_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  if(ARG_TORCH)
    prosodia_use_torch(${name})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    ENVIRONMENT "PROSODIA_SOURCE_DIR=${CMAKE_SOURCE_DIR};PROSODIA_SHARED_DIR=${PROSODIA_SHARED_DIR};PROSODIA_BINARY=$<TARGET_FILE:prosodia>")
endfunction()
