# prosodia_library(NAME SOURCES … LINK … [TORCH | NO_PCH]): one folder, one static library; headers are included from the source
# root. NO_PCH: sources with machine flags of their own, which do not fit a shared precompiled header.
function(prosodia_library name)
  cmake_parse_arguments(ARG "TORCH;NO_PCH" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(ARG_TORCH)
    prosodia_use_torch(${name})
  elseif(NOT ARG_NO_PCH)
    target_precompile_headers(${name} REUSE_FROM prosodia_pch)
  endif()
endfunction()

# prosodia_test(NAME SOURCES … LINK … [LABELS …] [TORCH]): a GoogleTest program, one ctest entry a program.
# Tests get PROSODIA_SHARED_DIR (real data, skipped when absent) and PROSODIA_SOURCE_DIR in their environment.
function(prosodia_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  if(ARG_TORCH)
    target_compile_options(${name} PRIVATE ${PROSODIA_TEST_OPTIONS})
    prosodia_use_torch(${name} prosodia_torch_test_pch)
  else()
    target_compile_options(${name} PRIVATE -fPIC ${PROSODIA_TEST_OPTIONS})  # as the header was compiled
    target_precompile_headers(${name} REUSE_FROM prosodia_test_pch)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(PROSODIA_SANITIZE)
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 4")
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    ENVIRONMENT "PROSODIA_SOURCE_DIR=${CMAKE_SOURCE_DIR};PROSODIA_SHARED_DIR=${PROSODIA_SHARED_DIR};PROSODIA_BINARY=$<TARGET_FILE:prosodia>")
endfunction()
