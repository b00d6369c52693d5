// The learner process: every rank runs run_learner. Rank 0 talks to the coordinator through a LearnerLink and hands
// each batch to the others; all ranks run the same GrpoTrainer step; rank 0 reports it, publishes the new version and,
// every save_steps, at the end and when stopped, all ranks write a checkpoint.
//
// Lifecycle of one batch (rank 0):
//   waiting --StepBatch--> broadcast -> step on all ranks -> publish version, WeightsReady -> StepDone (kept until
//   acked)
//           -> [checkpoint, CheckpointCommitted] -> waiting
//   waiting --CheckpointRequest--> checkpoint, CheckpointCommitted -> waiting
//   waiting --Shutdown--> checkpoint (unless this version has one) -> exit OK, or kInterrupted when its code is 6
//   waiting --meet_every passed--> all ranks meet in a barrier -> waiting
//   waiting --stop_requested--> the same, kInterrupted (exit code 6)
//   The batch of the step just done, sent again, is answered from the kept outcome; any other step that is not the next
//   one is kStale: the group leaves, comes back with a new Hello, and is told where to go on from.
//
// Thread rule: run_learner occupies its thread; the weight server and the link bring their own.
// Failure rule: an error is returned, and the process hands it to finish_process(), which brings every rank down: the
// other ranks may be inside a collective that this one will never join.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "data/base/ids.h"
#include "data/base/status.h"
#include "data/trace/trace_writer.h"
#include "orchestrator/protocol/messages.h"
#include "orchestrator/protocol/worker_client.h"
#include "workers/learner/collective.h"
#include "workers/learner/grpo_options.h"
#include "workers/learner/grpo_outcome.h"
#include "workers/learner/weight_server.h"
#include "workers/model/load.h"
#include "workers/model/processor.h"

namespace prosodia {

// What rank 0 exchanges with the coordinator. Implementations: protocol::WorkerClient (connect_to_coordinator), tests.
struct LearnerTask {
  LeaseId lease;
  std::variant<std::monostate, protocol::StepBatch, protocol::CheckpointRequest, protocol::Shutdown> body;
};  // monostate: nothing yet

class LearnerLink {
 public:
  virtual ~LearnerLink() = default;
  virtual uint64_t resume_version() const = 0;  // the version the coordinator wants to go on from; one of `resumable`
  virtual Result<LearnerTask> next(std::chrono::milliseconds wait) = 0;
  virtual void report_progress(LeaseId lease, uint64_t counter) = 0;  // work on `lease` goes on; the counter grows
  virtual Status announce_weights(const std::vector<protocol::ServedVersion>& served) = 0;
  virtual Status step_done(LeaseId lease, const protocol::StepDone& done) = 0;  // kept until acknowledged
  virtual Status checkpoint_committed(const protocol::CheckpointCommitted& committed) = 0;
  virtual void flush() = 0;  // waits shortly for what is not yet acknowledged
};

// Rank 0 only: called once the weight server listens and the checkpoints are known.
struct LearnerHello {
  std::vector<PolicyVersion> resumable;  // its checkpoints and 0, ascending
  std::string weights_endpoint;
};
using ConnectLearner = std::function<Result<std::unique_ptr<LearnerLink>>(const LearnerHello&)>;

// The real one. `options` carries endpoint, name, config digest and timeouts; role, resumable and weights_endpoint are
// filled in.
ConnectLearner connect_to_coordinator(protocol::WorkerClientOptions options);

struct LearnerOptions {
  std::filesystem::path model_dir;       // initial policy
  std::filesystem::path reference_dir;   // of the KL term; empty = model_dir
  std::filesystem::path checkpoint_dir;  // RUN/checkpoints
  GrpoOptions grpo;
  int64_t lag = 0;
  int64_t max_steps = 0;     // a checkpoint follows the last step; 0 = until Shutdown
  int64_t save_steps = 100;  // > 0
  int save_total_limit = 2;
  ModelOptions model;
  ProcessorOptions processor;
  WeightServerOptions weights;  // keep_versions is set to lag + 2
  std::function<bool()> stop_requested;
  TraceWriter* trace = nullptr;                         // of this rank; null = none. Outlives the run
  std::chrono::milliseconds collective_limit{600'000};  // see collective_deadline.h
  // Waiting for the coordinator, rank 0 meets the others so often: a rank that hangs is found by the collective's
  // deadline, which therefore should be longer.
  std::chrono::milliseconds meet_every{1000};
};

struct LearnerReport {
  uint64_t first_step = 0, next_step = 0;  // steps [first, next) were done by this call
  Digest weights;
};
Result<LearnerReport> run_learner(const LearnerOptions& options, Collective& collective, const ConnectLearner& connect);

// The exit code for a process of the group. Anything but OK and kInterrupted (which all ranks return together) ends the
// whole group at once when it has several ranks, and then does not return.
int finish_process(Collective& collective, const Status& status);

}  // namespace prosodia
