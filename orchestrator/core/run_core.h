// RunCore: everything the coordinator decides, as a pure state machine. Events and the time go in, actions come out; no
// socket, thread, clock, file or randomness inside. The coordinator runs it behind a ROUTER socket and a journal, the
// simulation behind a virtual network and a journal that loses power.
//
// Life of a core: construct; replay() every journal record in order; start(); then on_frame / on_tick / on_stop.
//
// Durability contract with the driver: actions are carried out in order, and before the first Send, StepFinished,
// Complete or Stopped that follows an Append, everything appended must be durable (one sync for many: group commit).
// That is the whole reason why an acknowledged result cannot be lost.
//
// Thread rule: single thread. Failure rule: a peer's mistakes are refused and counted; what the run cannot survive
// comes out as a Failed action (after which the core only says so again); our own broken invariants abort.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/core/batch_state.h"
#include "orchestrator/core/checkpoint_state.h"
#include "orchestrator/core/gate.h"
#include "orchestrator/core/group_table.h"
#include "orchestrator/core/learner_state.h"
#include "orchestrator/core/lease_table.h"
#include "orchestrator/core/plan.h"
#include "orchestrator/core/records.h"
#include "orchestrator/core/worker_table.h"
#include "orchestrator/protocol/frame.h"

namespace prosodia::core {

struct RunOptions {
  PlanOptions plan;
  GateOptions gate;
  RunId run_id;  // used when the journal is empty
  Digest config_digest;
  Digest dataset_digest;

  uint32_t heartbeat_ms = 2000;        // > 0
  uint32_t missed_heartbeats = 3;      // silence of so many periods is death
  int64_t rollout_lease_ms = 300'000;  // without progress
  int64_t reward_lease_ms = 300'000;
  int max_rollout_tries = 3;             // > 0; then the run stops and names the group
  int max_reward_tries = 3;              // > 0; then responses without a score leave their group
  int max_lost_leases = 64;              // of one group, by dying or silent workers; then the run stops and names it
  int64_t retry_backoff_ms = 1000;       // doubling, up to 32 times
  int64_t stop_grace_ms = 120'000;       // for the learner's checkpoint after a stop request
  int64_t final_checkpoint_ms = 10'000;  // after the last step, before a checkpoint is asked for
  // A learner that has work and shows no progress for so long is declared stuck. > 0.
  int64_t learner_timeout_ms = 1'800'000;
  int64_t learner_return_ms = 3'600'000;  // a learner that was lost must be back by then, else the run stops
  // A replayed step must give the journaled bits. false: differences are counted and the journal follows the replay.
  bool strict_replay = true;
  size_t max_workers = 100'000;
  // Names of processes that somebody starts and restarts. One that has not said Hello for learner_timeout_ms, maybe
  // because it was stopped while an earlier coordinator ran, is reported by Replace.
  std::vector<std::string> expected_workers;
  uint64_t archived_before = 0;  // steps below are archived already
};

// Rows of the dataset as JSON; index < PlanOptions::num_rows. Must be pure.
using RowSource = std::function<const std::string&(uint64_t row)>;

struct Send {
  std::string peer;
  std::vector<std::byte> frame;
};
struct Append {
  Record record;
};
struct StepFinished {  // step_groups() and step_record() of it are there until archived() releases it
  StepId step;
};
// The learner starts from a checkpoint whose batches were released: hand GroupSampled and GroupScored of steps
// [from, to) to reload(), from the journal and, for steps before folded_steps(), from the archive; then call
// reload_done(). Until then its Hello goes unanswered; it repeats it.
struct Reload {
  StepId from, to;
};
// This process (by the name in its Hello) lives without working, or is silent for good. It was fenced and told to exit,
// which it may be unable to hear: whoever started it should kill it and start it again. Under a supervisor that happens
// (launch/supervisor_line.h); elsewhere it is only logged.
struct Replace {
  std::string worker;
  std::string reason;
};
struct Complete {
  uint64_t steps = 0;
  Digest run_digest;
};
struct Stopped {  // on request, everything saved
  std::string detail;
};
struct Failed {
  Error error;
};
using Action = std::variant<Send, Append, StepFinished, Reload, Replace, Complete, Stopped, Failed>;
using Actions = std::vector<Action>;

struct Counters {
  uint64_t leases_expired[2] = {}, leases_lost[2] = {}, leases_revoked[2] = {};  // by LeaseKind
  uint64_t leases_superseded = 0;
  uint64_t results_accepted = 0;
  uint64_t results_rejected[protocol::kNumRefusalReasons] = {};
  uint64_t tasks_failed = 0;         // all of them, and of these
  uint64_t weights_unreachable = 0;  // … because the worker could not fetch the weights
  uint64_t workers_lost = 0, workers_fenced = 0, hellos_rejected = 0;
  uint64_t bad_frames = 0, unknown_peers = 0;
  uint64_t foreign_hellos = 0, foreign_frames = 0;  // claimed or used a role that the sender's key is not for
  uint64_t cancels_sent = 0;
  uint64_t workers_wedged = 0, workers_missing = 0, learners_stuck = 0;
  uint64_t steps_replayed = 0, replay_mismatches = 0, batches_resent = 0;
  ReasonCounts reasons;  // of every lifecycle: see lifecycle.h
};

// A trained step.
struct StepRecord {
  FoldedStep facts;
  std::vector<std::pair<std::string, double>> learner_metrics;  // empty for folded steps
  BatchState batch = BatchState::kTrained;                      // or kReplaying
};

class RunCore {
 public:
  RunCore(RunOptions options, RowSource rows);

  // --- recovery
  Status replay(const Record& record);  // kInvalidInput: another configuration or dataset; kCorruption: contradictions
  Actions start(int64_t now_ms);        // after the last record
  // What stands for every journal record of steps below released_steps(), and for nothing else; a replay of it and
  // then of the journal from the first record of step released_steps() on gives this core's state. Journal::retire
  // writes it. Not before start().
  std::vector<Record> fold() const;
  // The step that a record is about; nullopt for facts of the whole run.
  std::optional<StepId> step_of(const Record& record) const;
  // See Reload; records of other steps, and groups that are there already, are ignored.
  void reload(StepId from, const Record& record);
  Actions reload_done(StepId from);

  // --- events
  // `key_role`: the role that the peer's key speaks for; nullopt on a plaintext port, where the Hello's word is taken.
  Actions on_frame(const std::string& peer, std::span<const std::byte> frame, int64_t now_ms,
                   std::optional<protocol::Role> key_role = std::nullopt);
  Actions on_tick(int64_t now_ms);  // every 100 ms or so
  Actions on_stop(int64_t now_ms);
  void archived(StepId end);  // steps below `end` need not be kept for the archive any more

  // --- observation
  bool finished() const { return finished_; }
  RunId run_id() const { return run_id_; }
  uint64_t life() const { return life_; }
  uint64_t trained_steps() const { return trained_; }
  uint64_t released_steps() const { return released_steps_; }  // groups of steps below are not in memory
  uint64_t folded_steps() const { return folded_steps_; }      // records of steps below may be gone from the journal
  PolicyVersion last_checkpoint() const { return checkpoints_.empty() ? PolicyVersion(0) : checkpoints_.back(); }
  Digest run_digest() const { return run_digest_; }
  const StepRecord& step_record(StepId step) const { return steps_.at(step.value); }
  uint64_t num_tokens(StepId end) const;  // prompt and completion tokens trained on in steps before `end`
  bool has_groups(StepId step) const;
  std::vector<protocol::BatchGroup> step_groups(StepId step) const;  // scored, batched or trained, and not released
  std::optional<GroupState> group_state(GroupId group) const;        // nullopt: not planned yet, or released
  const Counters& counters() const { return counters_; }
  const WorkerTable& workers() const { return workers_; }
  const LearnerState& learner_state() const { return learner_.state; }
  auto group_counts() const { return groups_.counts(); }  // of groups in memory, by state
  size_t active_leases() const { return leases_.active_count(); }
  Plan& plan() const { return plan_; }

 private:
  // run_core.cc: frames in, refusals, time
  template <class M>
  void send(const std::string& peer, const M& message, LeaseId lease = {});
  void append(Record record) { actions_.push_back(Append{std::move(record)}); }
  void fail_run(ErrorCode code, std::string message);
  void acknowledge(const Worker& worker, const protocol::FrameHeader& header);
  void refuse(const Worker& worker, const protocol::FrameHeader& header, protocol::RefusalReason reason,
              const std::string& detail);
  void dispatch(Worker& worker, const protocol::FrameView& frame, int64_t now_ms);
  template <class M, class F>
  void with_decoded(Worker& worker, const protocol::FrameView& frame, F&& handle);
  void ask_for_hello(const std::string& peer, int64_t now_ms);
  Actions take_actions();

  // run_core_workers.cc: hello, heartbeat, loss
  void on_hello(const std::string& peer, const protocol::FrameView& frame, int64_t now_ms,
                std::optional<protocol::Role> key_role);
  std::optional<protocol::Reject> check_hello(const protocol::Hello& hello, std::optional<protocol::Role> key_role);
  void replace_namesake(const protocol::Hello& hello, const std::string& peer);
  void welcome(const Worker& worker, PolicyVersion resume);
  void on_heartbeat(Worker& worker, const protocol::Heartbeat& beat, int64_t now_ms);
  void cancel_if_ended(const Worker& worker, LeaseId lease);
  void lose_worker(Worker& worker, WorkerEvent why, int64_t now_ms);
  void wedge(Worker& worker, WorkerEvent why, const std::string& reason, int64_t now_ms);
  void refuse_fenced(Worker& worker, WorkerEvent event, const protocol::FrameHeader& header);
  int64_t stall_ms(protocol::Role role) const;
  void expect_back(const std::string& name, int64_t now_ms);
  void report_missing(int64_t now_ms);
  Lease end_lease(LeaseId id, LeaseEvent event);
  void return_group(const Lease& lease, int64_t not_before_ms);
  void count_lost_lease(const Lease& lease);
  void expire_leases(int64_t now_ms);
  void bury_silent(int64_t now_ms);

  // run_core_schedule.cc: leases and batches out
  void schedule(int64_t now_ms);
  void plan_window();
  void grant_rollouts(int64_t now_ms);
  void grant_rewards(int64_t now_ms);
  bool grant_rollout(Group& group, int64_t now_ms);
  bool grant_reward(Group& group, int64_t now_ms);
  Worker* choose(protocol::Role role, const Group& group);
  double decide_gate(StepId step);
  void send_batch(int64_t now_ms);
  void send_batch_frame(StepId step);
  bool is_served(PolicyVersion version) const;

  // run_core_results.cc: results in
  void on_rollout(Worker& worker, const protocol::FrameHeader& header, protocol::RolloutResult result, int64_t now_ms);
  void on_reward(Worker& worker, const protocol::FrameHeader& header, protocol::RewardResult result, int64_t now_ms);
  void on_failure(Worker& worker, const protocol::FrameHeader& header, const protocol::TaskFailed& failed,
                  int64_t now_ms);
  // The group that the result under this lease belongs to; nullptr when it was settled (acknowledged or refused).
  Group* admit(Worker& worker, const protocol::FrameHeader& header, GroupId id, LeaseKind kind);
  void close_lease(LeaseKind kind, GroupId group, LeaseId by, LeaseEvent event);
  std::string flaw(const Group& group, const protocol::RolloutResult& result) const;
  std::string flaw(const Group& group, const protocol::RewardResult& result) const;
  void fail_rollout(Group& group, const Worker& worker, ErrorCode code, const std::string& why, int64_t now_ms);
  void fail_reward(Group& group, const Worker& worker, const std::string& why, int64_t now_ms);
  void score(Group& group, protocol::RewardResult result, const std::string& worker, int64_t now_ms);
  int64_t backoff(int tries) const;

  // run_core_learner.cc: who the learner is, what it serves, when it is stuck
  void on_learner_hello(Worker& worker, const protocol::Hello& hello, int64_t now_ms);
  void start_learner(Worker& worker, PolicyVersion from);
  bool resume_running(Worker& worker, const protocol::Hello& hello, int64_t now_ms);
  void on_weights_ready(Worker& worker, const protocol::FrameHeader& header, const protocol::WeightsReady& ready,
                        int64_t now_ms);
  bool check_served(const protocol::WeightsReady& ready);
  bool can_sample_from(PolicyVersion newest) const;
  void watch_learner(int64_t now_ms);
  void lose_learner(LearnerEvent why, int64_t now_ms);
  bool is_current_learner(const Worker& worker) const { return worker.peer == learner_.peer; }

  // run_core_steps.cc: steps done, for the first time and again
  void on_step_done(Worker& worker, const protocol::FrameHeader& header, const protocol::StepDone& done,
                    int64_t now_ms);
  bool accept_trained(const protocol::StepDone& done, int64_t now_ms);
  bool accept_replayed(const protocol::StepDone& done);
  void record_trained(const protocol::StepDone& done, const StepTimes& times);
  void follow_replay(uint64_t step, const protocol::StepDone& done);
  double step_accuracy(StepId step) const;
  uint64_t step_tokens(StepId step) const;
  Digest chain(const Digest& before, const FoldedStep& step) const;
  BatchState& batch_state(StepId step);

  // run_core_end.cc: checkpoints, what may be forgotten, the end of the run
  void on_checkpoint(Worker& worker, const protocol::FrameHeader& header,
                     const protocol::CheckpointCommitted& committed, int64_t now_ms);
  void add_checkpoint(PolicyVersion version);
  void request_checkpoint(const std::string& reason, int64_t now_ms);
  void request_final_checkpoint(int64_t now_ms);
  void complete_if_done();
  void stop_if_saved(int64_t now_ms);
  void shut_down(int32_t code, const std::string& reason);
  void release();
  uint64_t release_floor() const;

  // run_core_replay.cc
  Status replay_record(const RunCreated& record);
  Status replay_record(const LifeStarted& record);
  Status replay_record(const InitialWeights& record);
  Status replay_record(const GateDecided& record);
  Status replay_record(const GroupSampled& record);
  Status replay_record(const GroupScored& record);
  Status replay_record(const StepBatched& record);
  Status replay_record(const StepTrained& record);
  Status replay_record(const CheckpointSaved& record);
  Status replay_record(const RunComplete& record);
  Status replay_record(const StepsFolded& record);
  Group& ensure_group(GroupId id);

  struct StepProgress {  // of steps not yet trained
    std::optional<double> gate;
    std::optional<Digest> batch_digest;
    int64_t first_rollout_ms = -1, last_sampled_ms = -1, first_reward_ms = -1, last_scored_ms = -1;
    int64_t batch_sent_ms = -1, idle_since_ms = -1;
    BatchState batch = BatchState::kCollecting;
  };

  const RunOptions options_;
  RowSource rows_;
  mutable Plan plan_;
  Gate gate_;
  WorkerTable workers_;
  LeaseTable leases_{0};
  GroupTable groups_;
  Learner learner_;
  Counters counters_;
  Actions actions_;  // of the event in progress

  RunId run_id_;
  uint64_t life_ = 0;
  bool created_ = false, started_ = false, finished_ = false, stopping_ = false;
  bool complete_recorded_ = false;
  int64_t stop_deadline_ms_ = 0;
  CheckpointState checkpoint_ = CheckpointState::kSaved;
  int64_t checkpoint_requested_ms_ = -1;
  int64_t learner_lost_ms_ = -1;  // since when there is none; -1: there was none in this life yet, or there is one
  int64_t last_step_done_ms_ = 0;
  std::optional<Digest> initial_weights_;
  uint64_t trained_ = 0;
  uint64_t planned_steps_ = 0;   // groups of steps below are in the table (or released)
  uint64_t released_steps_ = 0;  // groups of steps below are not kept
  uint64_t folded_steps_ = 0;    // of the fold that the replay began with
  uint64_t archived_before_ = 0;
  std::vector<StepRecord> steps_;  // of trained steps
  std::map<uint64_t, StepProgress> progress_;
  std::vector<PolicyVersion> checkpoints_;  // the newest two, ascending
  Digest run_digest_;
  uint64_t next_seq_ = 1;
  std::map<std::string, int64_t> hello_asked_ms_;    // by unknown peer
  std::map<std::string, int64_t> missing_since_ms_;  // of expected_workers, by name
};

// H_0 of the run digest's chain.
Digest initial_run_digest(const PlanOptions& plan);
// H_{t+1} from H_t and what step t gave.
Digest chain_run_digest(const Digest& before, const Digest& batch, double loss, const Digest& weights);

}  // namespace prosodia::core
