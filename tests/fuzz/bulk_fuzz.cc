// A weights download whose server says anything. The download must end in an error or in exactly the bytes that the
// digest names.
#include "data/base/crc32c.h"
#include "orchestrator/protocol/bulk_download.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {

using namespace protocol;

void fuzz_bulk(Input input) {
  Choices choices(input);
  BulkClientOptions options;
  options.endpoint = "fuzz";
  options.chunk_bytes = 1 + static_cast<uint32_t>(choices.below(64));
  options.window = static_cast<int>(choices.below(5));
  options.max_bytes = 4096;
  const auto truth = choices.bytes(512);
  const Digest expected = digest_bytes(truth);
  std::vector<std::byte> target;
  const auto allocate = [&](uint64_t total) -> Result<std::span<std::byte>> {
    PROSODIA_CHECK(total <= options.max_bytes, "{}", total);
    target.resize(total);
    return std::span(target);
  };
  BulkDownload download(options, PolicyVersion(1), expected);
  for (int64_t now_ms = 0; !choices.empty() && !download.done(); now_ms += 500) {
    for (const GetWeights& request : download.requests(now_ms)) {
      if (choices.one_in(8)) download.not_sent(request);
      // The honest answer, then bent.
      const uint64_t begin = std::min<uint64_t>(request.offset, truth.size());
      auto bytes = truth.subspan(begin, std::min<uint64_t>(request.length, truth.size() - begin));
      WeightsChunk chunk{PolicyVersion(1), truth.size(), request.offset, static_cast<uint32_t>(bytes.size()), 0,
                         expected};
      const size_t lie = choices.below(10);
      if (lie == 1) chunk.version = PolicyVersion(choices.below(3));
      if (lie == 2) chunk.total_bytes = choices.take<uint64_t>();
      if (lie == 3) chunk.total_bytes = choices.below(200);
      if (lie == 4) chunk.offset = choices.take<uint64_t>();
      if (lie == 5) chunk.length = choices.take<uint32_t>();
      if (lie == 6) chunk.digest = digest_bytes(choices.bytes(8));
      if (lie == 7) chunk.length = static_cast<uint32_t>((bytes = choices.bytes(128)).size());
      chunk.crc = lie == 8 ? choices.take<uint32_t>() : crc32c(bytes);
      if (!download.accept(chunk, bytes, allocate)) return;
    }
  }
  if (download.done() && download.verify()) {
    PROSODIA_CHECK(std::ranges::equal(target, truth), "a verified download must be the version's bytes");
  }
}

}  // namespace prosodia::fuzz
