// One download of a version's bytes as a pure state machine: which chunks are asked for, which have arrived. BulkClient
// runs it behind a socket; private to bulk.cc and its fuzz target.
//
// Thread rule: single thread. Failure rule: chunks come from a peer; a damaged one is asked for again, kMaxBadChunks of
// them, a wrong digest or an absurd size end the download with an Error. Memory is asked for once, with a size within
// the limit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "data/base/digest.h"
#include "data/base/ids.h"
#include "data/base/status.h"
#include "orchestrator/protocol/bulk.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol {

class BulkDownload {
 public:
  static constexpr int kMaxBadChunks = 8;
  // Returns memory for `total` bytes that outlives the download.
  using Allocate = std::function<Result<std::span<std::byte>>(uint64_t total)>;

  BulkDownload(const BulkClientOptions& options, PolicyVersion version, const Digest& expected)
      : options_(options), version_(version), expected_(expected) {}

  // Chunk requests to send now: the first alone until the size is known, then a window, and overdue ones again.
  std::vector<GetWeights> requests(int64_t now_ms);
  // Accepts a chunk; `allocate` is called with the total size once.
  Status accept(const WeightsChunk& chunk, std::span<const std::byte> bytes, const Allocate& allocate);
  // The request could not leave (not connected yet): due again at once.
  void not_sent(const GetWeights& request) { in_flight_[request.offset] = 0; }

  bool done() const { return sized_ && received_ == total_; }
  Status verify() const;  // kCorruption when what arrived does not hash to the expected digest

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
