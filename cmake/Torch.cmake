# prosodia::torch: LibTorch from the PyPI wheel that scripts/bootstrap unpacks into .deps/python.
#
# find_package(Torch) insists on the CUDA toolkit when the wheel was built for CUDA, so the two CPU libraries are
# imported by hand. libtorch_cpu.so needs only the cuda-runtime and cupti wheels beside it; the RPATH inside the wheel
# finds them, -rpath-link tells the linker.
set(PROSODIA_DEPS_DIR "${CMAKE_SOURCE_DIR}/.deps" CACHE PATH "Where scripts/bootstrap put LibTorch")
set(_torch_root "${PROSODIA_DEPS_DIR}/python/torch")
set(_nvidia_lib "${PROSODIA_DEPS_DIR}/python/nvidia/cu13/lib")
if(NOT EXISTS "${_torch_root}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch not found under ${_torch_root}.\n  Next: run scripts/bootstrap")
endif()

add_library(prosodia_torch INTERFACE)
add_library(prosodia::torch ALIAS prosodia_torch)
# -idirafter: torch/include carries its own fmt/, which must not shadow the system's (spdlog breaks otherwise).
target_compile_options(prosodia_torch INTERFACE
  "SHELL:-idirafter ${_torch_root}/include"
  "SHELL:-idirafter ${_torch_root}/include/torch/csrc/api/include")
target_link_directories(prosodia_torch INTERFACE "${_torch_root}/lib")
target_link_options(prosodia_torch INTERFACE
  "LINKER:-rpath-link,${_nvidia_lib}" "LINKER:-rpath,${_torch_root}/lib")
target_link_libraries(prosodia_torch INTERFACE
  "-Wl,--no-as-needed" "${_torch_root}/lib/libtorch_cpu.so" "${_torch_root}/lib/libc10.so" "-Wl,--as-needed")

# One precompiled header serves every target that uses torch (parsing ATen costs 6 to 20 s a file otherwise).
prosodia_pch_target(prosodia_torch_pch)
target_link_libraries(prosodia_torch_pch PRIVATE prosodia::torch)
target_precompile_headers(prosodia_torch_pch PRIVATE
  ${PROSODIA_PCH_HEADERS} <ATen/ATen.h> <torch/csrc/autograd/custom_function.h> <torch/csrc/autograd/autograd.h>)

if(PROSODIA_TESTS)
  prosodia_pch_target(prosodia_torch_test_pch)
  target_link_libraries(prosodia_torch_test_pch PRIVATE prosodia::torch GTest::gmock GTest::gtest)
  target_compile_options(prosodia_torch_test_pch PRIVATE ${PROSODIA_TEST_OPTIONS})
  target_precompile_headers(prosodia_torch_test_pch PRIVATE
    <gmock/gmock.h> <gtest/gtest.h> ${PROSODIA_PCH_HEADERS} <ATen/ATen.h> <torch/csrc/autograd/custom_function.h>
    <torch/csrc/autograd/autograd.h>)
endif()

# prosodia_use_torch(TARGET [PCH]): link torch and reuse the precompiled header.
function(prosodia_use_torch target)
  set(pch prosodia_torch_pch)
  if(ARGC GREATER 1)
    set(pch ${ARGV1})
  endif()
  target_link_libraries(${target} PRIVATE prosodia::torch)
  # The header is compiled with -fPIC; an executable's default -fPIE would not match it.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()
