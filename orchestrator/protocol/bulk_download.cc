#include "orchestrator/protocol/bulk_download.h"

#include <algorithm>

#include "data/base/crc32c.h"

namespace prosodia::protocol {
namespace {
constexpr int kMaxBadChunks = 8;
}

Digest digest_bytes(std::span<const std::byte> bytes) { return DigestBuilder().add(bytes).finish(); }

std::vector<GetWeights> BulkDownload::requests(int64_t now_ms) {
  std::vector<GetWeights> out;
  for (auto& [offset, sent_ms] : in_flight_) {
    if (now_ms - sent_ms < options_.retry.count()) continue;
    sent_ms = now_ms;
    out.push_back(request(offset));
  }
  const size_t window = sized_ ? static_cast<size_t>(std::max(1, options_.window)) : 1;
  while (in_flight_.size() < window && (next_offset_ < total_ || !sized_) && !done()) {
    in_flight_[next_offset_] = now_ms;
    out.push_back(request(next_offset_));
    next_offset_ += options_.chunk_bytes;
    if (!sized_) break;
  }
  return out;
}

Status BulkDownload::accept(const WeightsChunk& chunk, std::span<const std::byte> bytes, const Allocate& allocate) {
  if (chunk.version != version_ || !in_flight_.contains(chunk.offset)) return {};  // late, or asked for twice
  if (bytes.size() != chunk.length || crc32c(bytes) != chunk.crc) return bad_chunk(chunk.offset);
  if (chunk.digest != expected_) {
    return fail(ErrorCode::kStale, "weights version {} served by {} have digest {}, the task expects {}", version_,
                options_.endpoint, chunk.digest.short_hex(), expected_.short_hex());
  }
  if (!sized_) PROSODIA_TRY(set_size(chunk.total_bytes, allocate));
  const uint64_t wanted = std::min<uint64_t>(options_.chunk_bytes, total_ - std::min(total_, chunk.offset));
  if (chunk.total_bytes != total_ || chunk.length != wanted) return bad_chunk(chunk.offset);
  std::copy(bytes.begin(), bytes.end(), target_.begin() + static_cast<std::ptrdiff_t>(chunk.offset));
  received_ += bytes.size();
  in_flight_.erase(chunk.offset);
  return {};
}

Status BulkDownload::verify() const {
  if (digest_bytes(target_) == expected_) return {};
  return fail(ErrorCode::kCorruption, "weights version {} from {} do not hash to {}", version_, options_.endpoint,
              expected_.short_hex());
}

Status BulkDownload::set_size(uint64_t total, const Allocate& allocate) {
  if (total > options_.max_bytes) {
    return fail(ErrorCode::kInvalidInput, "weights version {} of {} bytes: the limit is {}", version_, total,
                options_.max_bytes);
  }
  PROSODIA_ASSIGN(target_, allocate(total));
  if (target_.size() != total) {
    return fail(ErrorCode::kInternal, "weights version {} of {} bytes: {} bytes of memory given", version_, total,
                target_.size());
  }
  total_ = total;
  sized_ = true;
  return {};
}

Status BulkDownload::bad_chunk(uint64_t offset) {
  in_flight_[offset] = 0;  // overdue: asked for again
  if (++bad_chunks_ <= kMaxBadChunks) return {};
  return fail(ErrorCode::kCorruption, "{} damaged chunks of weights version {} from {}", bad_chunks_, version_,
              options_.endpoint);
}

}  // namespace prosodia::protocol
