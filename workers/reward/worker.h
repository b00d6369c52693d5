// The reward worker: sampled groups in, rewards out.
//
//   waits for      does                                       when that fails
//   a lease        rules and faithfulness; when R_t counts,   a row that cannot be scored: reports the lease as failed.
//                  the scorer on its own thread with a time   Scores missing: sends what there is, with a status each;
//                  limit (timed_scorer.h)                     the coordinator has the group scored again unless all
//                                                             that is missing is unparsable
//   a result sent  WorkerClient keeps it until acked          –
//
// Heartbeats go out from WorkerClient's thread whatever happens here; while a scorer works, its lease's progress
// counter grows until the time limit, so that a long limit does not lose the lease and a stuck scorer does not keep it.
//
// Thread rule: runs in the calling thread. Failure rule: returns when the coordinator says Shutdown (its exit code as
// Status), when `stop_requested` (kInterrupted), or when the coordinator is lost (kUnavailable).
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "data/base/status.h"
#include "data/trace/trace_writer.h"
#include "orchestrator/protocol/worker_client.h"
#include "reward/group_reward.h"
#include "reward/reasoning_scorer.h"

namespace prosodia {

struct RewardWorkerOptions {
  RewardOptions reward;                               // validated here: kUsage
  std::shared_ptr<ReasoningScorer> scorer;            // scorer_factory.h; may be null when weights.reasoning is 0
  std::chrono::milliseconds reasoning_limit{60'000};  // --reward_timeout_s, for a whole group; > 0
  // A scorer that hangs for good: end with kUnavailable, so that whoever started this process starts it again. false:
  // go on and report timeouts (inside one mpirun, where the end of a process is the end of the job).
  bool end_when_stuck = false;
  std::function<bool()> stop_requested = [] { return false; };  // polled several times a second
  TraceWriter* trace = nullptr;                                 // of the calling thread; null = none
};

Status run_reward_worker(const RewardWorkerOptions& options, protocol::WorkerClient& client);

}  // namespace prosodia
