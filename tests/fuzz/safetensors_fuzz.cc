// Safetensors: raw bytes; then the input as a JSON header with as many data bytes as the first byte says.
#include <cstring>

#include "data/store/safetensors.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {
namespace {

void parse(std::vector<std::byte> bytes) {
  const auto file = SafetensorsFile::parse(std::move(bytes), "fuzz.safetensors");
  if (!file) return;
  size_t touched = 0;
  for (const TensorView& tensor : (*file)->tensors()) {
    PROSODIA_CHECK((*file)->find(tensor.name) != nullptr, "{}", tensor.name);
    for (const std::byte b : tensor.data) touched += std::to_integer<size_t>(b);  // every byte lies in the file
  }
  volatile size_t keep = touched;
  (void)keep;
}

}  // namespace

void fuzz_safetensors(Input input) {
  parse({input.begin(), input.end()});
  if (input.empty()) return;
  ByteWriter file;
  file.put<uint64_t>(input.size() - 1);
  file.put_bytes(input.subspan(1));
  file.put_bytes(std::vector<std::byte>(std::to_integer<size_t>(input[0])));
  parse(file.take());
}

}  // namespace prosodia::fuzz
