// Serves the newest policy versions to rollout workers: a thread with a ROUTER socket of its own, so that megabytes
// never delay heartbeats. Request GetWeights{version, offset} -> WeightsChunk{version, total_bytes, offset, crc, bytes,
// digest}; a version that is not (or no longer) kept is answered with total_bytes 0.
//
// Caller: the learner's rank 0. Thread rule: publish() and endpoint() from any thread; the snapshots are immutable.
// Failure rule: start() reports a socket that cannot be bound; malformed requests are dropped and counted.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "workers/learner/checkpoint.h"

namespace prosodia {

struct WeightServerOptions {
  std::string bind = "tcp://127.0.0.1:*";  // ZeroMQ address; "*" lets the system choose a port
  std::string advertise_host;              // host that workers use; empty = the one bound
  size_t chunk_bytes = size_t{1} << 20;    // of one WeightsChunk
  int keep_versions = 3;                   // lag + 2
  uint64_t run_id = 0;                     // echoed in frames
};

class WeightServer {
 public:
  static Result<std::unique_ptr<WeightServer>> start(const WeightServerOptions& options);
  ~WeightServer();  // stops the thread

  void publish(uint64_t version, PackedWeights weights, const Digest& digest);  // drops the oldest beyond keep_versions
  std::map<uint64_t, PackedWeights> kept() const;                               // for checkpoints
  const std::string& endpoint() const;
  uint64_t bytes_served() const;
  uint64_t refused_requests() const;

 private:
  struct Impl;
  explicit WeightServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace prosodia
