// The newest policy versions, served to rollout workers over the bulk channel (orchestrator/protocol/bulk.h: a thread
// with a socket of its own, so that megabytes never delay heartbeats).
//
// Caller: the learner's rank 0. Thread rule: any thread; snapshots are immutable and stay alive while a chunk is sent.
// Failure rule: start() reports an endpoint that cannot be bound. A version that is no longer kept is answered as
// missing: its lease has ended.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "orchestrator/protocol/bulk.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia {

struct WeightServerOptions {
  protocol::BulkServerOptions bulk;
  int keep_versions = 2;  // lag + 2: what step t's groups, and those sampled ahead of it, may still ask for
};

class WeightServer {
 public:
  static Result<std::unique_ptr<WeightServer>> start(const WeightServerOptions& options);
  ~WeightServer();  // stops the thread

  // Serves `snapshot` as `version` and drops the oldest beyond keep_versions.
  void publish(uint64_t version, std::shared_ptr<const protocol::Snapshot> snapshot);
  std::map<uint64_t, std::shared_ptr<const protocol::Snapshot>> kept() const;  // ascending; for checkpoints
  std::vector<protocol::ServedVersion> served() const;                         // what the coordinator is told
  const std::string& endpoint() const;

 private:
  struct Impl;
  explicit WeightServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace prosodia
