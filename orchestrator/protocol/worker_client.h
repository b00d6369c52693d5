// WorkerClient: a worker's or learner's end of the control channel.
//
// Called by: rollout worker, reward worker, learner rank 0. A background thread owns the DEALER socket: it says Hello,
// sends heartbeats, keeps every result until the coordinator acknowledges it (resending with jittered backoff), and
// after a coordinator restart says Hello again on request and resends what was not acknowledged. Its protocol logic is
// ClientCore (client_core.h), the same code that the simulation runs.
//
// Thread rule: every member may be called from any thread. next_task is meant for one.
// Failure rule: kUsage when the coordinator rejected us (protocol version, configuration digest, key): do not retry.
// kStale when a newer process took our place: exit. kUnavailable when the coordinator was silent for
// `coordinator_timeout`: save what matters and exit 4.
//
//   auto client = WorkerClient::connect(options);
//   while (true) {
//     auto task = client->next_task(100ms);          // Result<optional<Task>>
//     if (!task) return error;
//     if (!*task) continue;                          // nothing yet
//     if (auto* rollout = std::get_if<TaskRollout>(&(*task)->body)) … client->send_result((*task)->lease, result);
//     if (std::get_if<Shutdown>(&(*task)->body)) break;
//   }
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/protocol/keys.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol {

struct WorkerClientOptions {
  std::string endpoint;  // coordinator's control endpoint, "tcp://127.0.0.1:5555"
  // RUN/coordinator.endpoint, or empty. Read again when dialling anew, in case the coordinator restarted elsewhere.
  std::string endpoint_file;
  Role role = Role::kRollout;
  std::string name;            // unique in the run: "rollout-0", "learner"
  CredentialsPtr credentials;  // the role's keys; nullptr = plaintext
  Digest config_digest;        // of the resolved configuration
  uint32_t slots = 1;          // leases at a time
  // Learner only.
  std::vector<PolicyVersion> resumable;  // checkpoints it can start from, and 0
  std::string weights_endpoint;          // its BulkServer::endpoint()

  std::chrono::milliseconds connect_timeout{60'000};      // for the first Welcome
  std::chrono::milliseconds coordinator_timeout{60'000};  // silence after which next_task returns kUnavailable
  std::chrono::milliseconds heartbeat{1000};              // what to expect before the Welcome says it
  std::chrono::milliseconds resend_min{500};              // first resend of an unacknowledged result …
  std::chrono::milliseconds resend_max{10'000};           // … doubling up to this, each ± 25 %
};

// `lease` is 0 for Shutdown and CheckpointRequest.
struct Task {
  LeaseId lease;
  std::variant<TaskRollout, TaskReward, StepBatch, CheckpointRequest, Shutdown> body;
};

class WorkerClient {
 public:
  // Blocks until Welcome. kUsage with the coordinator's reason when rejected; kUnavailable after connect_timeout.
  static Result<std::unique_ptr<WorkerClient>> connect(WorkerClientOptions options);
  ~WorkerClient();  // sends Goodbye; waits a moment for it to leave, not for acknowledgements (see flush)

  // The latest Welcome; right after connect(), Welcome::resume_version is where a learner starts.
  Welcome welcome() const;

  // The next task, in the order granted; nullopt after `wait`. A task granted by an earlier life of the coordinator and
  // not yet taken is dropped silently: it will be granted anew. After Shutdown was returned, so it is again each time.
  Result<std::optional<Task>> next_task(std::chrono::milliseconds wait);

  // Leases taken from next_task that the coordinator has given up since the last call: drop their work, send nothing.
  std::vector<LeaseId> take_cancelled();

  // Tells that work on `lease` goes on; `counter` must grow (e.g. tokens decoded). Cheap; goes out with heartbeats.
  void report_progress(LeaseId lease, uint64_t counter);

  // Each is kept and resent until acknowledged (= durable at the coordinator) or refused (= not wanted any more).
  // An OK return means kept, not acknowledged.
  Status send_result(LeaseId lease, const RolloutResult& result);
  Status send_result(LeaseId lease, const RewardResult& result);
  Status send_failure(LeaseId lease, GroupId group, ErrorCode code, const std::string& message);

  // Learner. announce_weights: everything the BulkServer serves now; call after loading and after every step, before
  // send_step_done, so that a Hello after a coordinator restart tells it again.
  Status announce_weights(const std::vector<ServedVersion>& served);
  Status send_step_done(LeaseId lease, const StepDone& done);
  Status send_checkpoint_committed(const CheckpointCommitted& committed);

  // True when everything sent has been acknowledged or refused within `wait`.
  bool flush(std::chrono::milliseconds wait);

  struct Stats {
    uint64_t acked = 0, refused = 0, resent = 0, reconnects = 0, dropped_tasks = 0, bad_frames = 0, cancelled = 0;
    size_t unacked = 0;
  };
  Stats stats() const;

 private:
  struct Impl;
  explicit WorkerClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace prosodia::protocol
