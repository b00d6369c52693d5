# Precompiled headers. Most of a clean build is parsing fmt, nlohmann-json, GoogleTest and ATen again and again; four headers,
# each compiled once, take that away:
#   prosodia_pch        libraries without torch
#   prosodia_test_pch   tests without torch
#   prosodia_torch_pch, prosodia_torch_test_pch   the same with torch (Torch.cmake)
function(prosodia_pch_target name)
  file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/${name}.cc" CONTENT "")  # written only when it differs
  add_library(${name} OBJECT "${CMAKE_BINARY_DIR}/${name}.cc")
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(${name} PRIVATE fmt::fmt nlohmann_json::nlohmann_json)
endfunction()

set(PROSODIA_PCH_HEADERS
  <algorithm> <chrono> <filesystem> <functional> <map> <memory> <optional> <span> <string> <string_view> <variant> <vector>
  <fmt/format.h> <nlohmann/json.hpp> <tl/expected.hpp>)

prosodia_pch_target(prosodia_pch)
target_precompile_headers(prosodia_pch PRIVATE ${PROSODIA_PCH_HEADERS})

if(PROSODIA_TESTS)
  # Test code is built once and run once: optimising it costs more than it gives.
  set(PROSODIA_TEST_OPTIONS -O1)
  prosodia_pch_target(prosodia_test_pch)
  target_link_libraries(prosodia_test_pch PRIVATE GTest::gmock GTest::gtest)
  target_compile_options(prosodia_test_pch PRIVATE ${PROSODIA_TEST_OPTIONS})
  target_precompile_headers(prosodia_test_pch PRIVATE <gmock/gmock.h> <gtest/gtest.h> ${PROSODIA_PCH_HEADERS})
endif()
