// One download of a version over the bulk channel: which chunks are asked for, which have arrived, which were bad.
//
// Called by BulkClient. Pure state machine, single thread; the time comes from the caller. Failure rule: kStale when
// the server has other bytes than the task named, kCorruption after too many damaged chunks, kInvalidInput beyond
// max_bytes, before anything is allocated.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <vector>

#include "orchestrator/protocol/bulk.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol {

class BulkDownload {
 public:
  using Allocate = std::function<Result<std::span<std::byte>>(uint64_t total)>;

  // `options` must outlive it.
  BulkDownload(const BulkClientOptions& options, PolicyVersion version, const Digest& expected)
      : options_(options), version_(version), expected_(expected) {}

  // Chunk requests to send now: the first alone until the size is known, then a window, and overdue ones again.
  std::vector<GetWeights> requests(int64_t now_ms);
  // The request could not leave (not connected yet): due again at once.
  void not_sent(const GetWeights& request) { in_flight_[request.offset] = 0; }
  // Takes a chunk; `allocate` is called with the total size once.
  Status accept(const WeightsChunk& chunk, std::span<const std::byte> bytes, const Allocate& allocate);
  bool started() const { return sized_; }
  bool done() const { return sized_ && received_ == total_; }
  Status verify() const;  // kCorruption: all chunks are here and do not hash to `expected`

 private:
  GetWeights request(uint64_t offset) const { return {version_, offset, options_.chunk_bytes}; }
  Status set_size(uint64_t total, const Allocate& allocate);
  Status bad_chunk(uint64_t offset);

  const BulkClientOptions& options_;
  const PolicyVersion version_;
  const Digest expected_;
  std::map<uint64_t, int64_t> in_flight_;  // offset -> when asked for
  std::span<std::byte> target_;
  bool sized_ = false;
  uint64_t total_ = 0, next_offset_ = 0, received_ = 0;
  int bad_chunks_ = 0;
};

}  // namespace prosodia::protocol
