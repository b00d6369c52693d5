// MANIFEST.json: as it is, and with its own checksum put right, which would otherwise keep the rest out of reach.
#include <nlohmann/json.hpp>

#include "data/base/crc32c.h"
#include "data/store/checkpoint_dir.h"
#include "data/store/testing/faulty_file_system.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {
namespace {

void open_checkpoint(Input manifest) {
  FaultyFileSystem fs;
  const std::filesystem::path root = "/run/checkpoints";
  PROSODIA_CHECK(fs.create_dirs(root / "step-000001").has_value());
  put_file(fs, root / "step-000001/a", std::vector<std::byte>(4));
  put_file(fs, root / "step-000001/MANIFEST.json", manifest);
  CheckpointStore store(fs, root);
  if (const auto latest = store.latest(); latest && *latest) PROSODIA_CHECK((*latest)->step == 1);
  (void)store.gc(1, 1);
}

std::vector<std::byte> with_checksum(std::string_view text) {
  auto manifest = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object()) return {};
  manifest.erase("crc32c");
  manifest["crc32c"] = crc32c(as_byte_span(manifest.dump()));
  const std::string fixed = manifest.dump() + "\n";
  const auto bytes = as_byte_span(fixed);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

void fuzz_checkpoint(Input input) {
  constexpr size_t kMostBytes = 4096;  // the fuzzer's own dump() above recurses
  open_checkpoint(input);
  if (input.size() <= kMostBytes) open_checkpoint(with_checksum(as_text(input)));
}

}  // namespace prosodia::fuzz
