// One libFuzzer program a target; PROSODIA_FUZZ_TARGET names its function.
#include <cstdint>

#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  prosodia::fuzz::PROSODIA_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
