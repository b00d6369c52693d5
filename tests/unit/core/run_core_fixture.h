// RunCore driven by hand: one frame in, actions out. Shared by the run_core_*_test.cc files.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/core/run_core.h"

namespace prosodia::core {

using namespace protocol;

inline RunOptions run_options() {
  RunOptions options;
  options.plan = {3, 4, 3, 2, 2, 1, true};  // 4 rows, 3 steps of 2 prompts x 2 responses, lag 1
  options.gate.mode = GateMode::kNever;
  options.run_id = RunId(5);
  options.heartbeat_ms = 100;
  options.rollout_lease_ms = 1000;
  options.reward_lease_ms = 1000;
  options.retry_backoff_ms = 10;
  return options;
}

struct Sent {
  std::string peer;
  FrameHeader header;
  std::vector<std::byte> payload;
};

class RunCoreTest : public ::testing::Test {
 protected:
  explicit RunCoreTest(RunOptions options = run_options()) { boot(options); }

  void boot(const RunOptions& options) {
    options_ = options;
    core_.emplace(options_, [this](uint64_t row) -> const std::string& { return rows_[row]; });
    for (const Record& record : journal_) ASSERT_TRUE(core_->replay(record));
    take(core_->start(now_));
  }

  void take(Actions actions) {
    sent_.clear();
    replaced_.clear();
    failed_.reset();
    for (Action& action : actions) {
      if (auto* send = std::get_if<Send>(&action)) {
        const auto view = decode_frame(send->frame, kMaxPayloadFromCoordinator);
        sent_.push_back({send->peer, view->header, {view->payload.begin(), view->payload.end()}});
      } else if (auto* append = std::get_if<Append>(&action)) {
        journal_.push_back(append->record);
      } else if (auto* replace = std::get_if<Replace>(&action)) {
        replaced_.push_back(replace->worker);
      } else if (auto* failed = std::get_if<Failed>(&action)) {
        failed_ = failed->error;
      }
    }
  }

  template <class M>
  void deliver(const std::string& name, const M& message, uint64_t lease = 0, uint64_t epoch = 1) {
    FrameHeader header;
    header.run_id = RunId(5);
    header.sender_epoch = WorkerEpoch(epoch);
    header.lease_id = LeaseId(lease);
    header.seq = ++seq_;
    take(core_->on_frame(fmt::format("{}#{}", name, epoch), encode_message(header, message), now_, key_role_));
  }

  void hello(Role role, const std::string& name, uint64_t epoch = 1) {
    Hello message;
    message.role = role;
    message.name = name;
    message.slots = 10;
    if (role == Role::kLearner) message.resumable = {PolicyVersion(0)};
    deliver(name, message, 0, epoch);
  }

  void learner_ready() {
    hello(Role::kLearner, "learner");
    deliver("learner", WeightsReady{{{PolicyVersion(0), Digest{}}}});
  }

  // Messages of one type sent by the last event, with the leases they carry.
  template <class M>
  std::vector<std::pair<uint64_t, M>> sent() const {
    std::vector<std::pair<uint64_t, M>> out;
    for (const Sent& s : sent_) {
      if (s.header.type == M::kType) out.emplace_back(s.header.lease_id.value, *decode<M>(s.payload));
    }
    return out;
  }

  static RolloutResult result_for(const TaskRollout& task) {
    RolloutResult result{task.group_id, task.policy_version, 3, {}, 0};
    for (uint32_t i = 0; i < task.num_generations; ++i) result.completions.push_back({{1}, {-0.5f}, {}, "x"});
    return result;
  }
  // One status for each response, kNotRequested for those beyond.
  static RewardResult scores_for(const TaskReward& task, const std::vector<ReasoningStatus>& statuses = {}) {
    RewardResult result{task.group_id, 1, task.gate, {}, 0};
    for (size_t i = 0; i < task.completions.size(); ++i) {
      ResponseScore score;
      score.scored = true;
      if (i < statuses.size()) score.reasoning_status = statuses[i];
      score.present =
          score.reasoning_status == ReasoningStatus::kNotRequested || score.reasoning_status == ReasoningStatus::kValue;
      score.accuracy = 1;
      score.total = score.present ? 1 : 0;
      result.responses.push_back(score);
    }
    return result;
  }

  uint64_t rejected(RefusalReason reason) const {
    return core_->counters().results_rejected[static_cast<size_t>(reason)];
  }
  template <class R>
  size_t records() const {
    return static_cast<size_t>(
        std::count_if(journal_.begin(), journal_.end(), [](const Record& r) { return std::holds_alternative<R>(r); }));
  }

  std::optional<Role> key_role_;  // of whoever delivers
  std::vector<std::string> rows_ = {"{}", "{}", "{}", "{}"};
  RunOptions options_;
  std::optional<RunCore> core_;
  std::vector<Record> journal_;
  std::vector<Sent> sent_;
  std::vector<std::string> replaced_;  // by the last event
  std::optional<Error> failed_;
  int64_t now_ = 0;
  uint64_t seq_ = 0;
};

class RewardTest : public RunCoreTest {
 protected:
  // Samples every group; returns the first reward task.
  std::pair<uint64_t, TaskReward> first_reward() {
    learner_ready();
    hello(Role::kRollout, "r");
    const auto tasks = sent<TaskRollout>();
    for (const auto& [lease, task] : tasks) deliver("r", result_for(task), lease);
    hello(Role::kReward, "w");
    return sent<TaskReward>().at(0);
  }

  // The first group's next task, after its back-off.
  std::pair<uint64_t, TaskReward> next_try() {
    now_ += 60;
    deliver("w", Heartbeat{});
    take(core_->on_tick(now_));
    return sent<TaskReward>().at(0);
  }

  // What the journal holds of the one group that was scored.
  GroupScored only_scored() const {
    EXPECT_EQ(records<GroupScored>(), 1u);
    for (const Record& record : journal_) {
      if (const auto* scored = std::get_if<GroupScored>(&record)) return *scored;
    }
    return {};
  }
};

class WholeRunTest : public RewardTest {
 protected:
  // Plays every worker until the learner has `steps` steps done.
  void run_steps(uint64_t steps) {
    std::vector<Sent> open = sent_;
    const auto absorb = [&] { open.insert(open.end(), sent_.begin(), sent_.end()); };
    for (size_t i = 0; i < open.size() && core_->trained_steps() < steps; ++i) {
      const Sent s = open[i];
      const uint64_t lease = s.header.lease_id.value;
      if (s.header.type == MessageType::kTaskRollout) {
        deliver("r", result_for(*decode<TaskRollout>(s.payload)), lease);
      } else if (s.header.type == MessageType::kTaskReward) {
        deliver("w", scores_for(*decode<TaskReward>(s.payload)), lease);
      } else if (s.header.type == MessageType::kStepBatch) {
        step_done(*decode<StepBatch>(s.payload), lease, absorb);
      } else {
        continue;
      }
      absorb();
    }
    ASSERT_EQ(core_->trained_steps(), steps);
  }
  template <class F>
  void step_done(const StepBatch& batch, uint64_t lease, F&& absorb) {
    const uint64_t version = batch.step.value + 1;
    deliver("learner", WeightsReady{{{PolicyVersion(version - 1), weights(version - 1)},
                                     {PolicyVersion(version), weights(version)}}});
    absorb();
    deliver("learner", done_of(batch), lease);
  }
  StepDone done_of(const StepBatch& batch) const {
    const uint64_t version = batch.step.value + 1;
    return {batch.step, PolicyVersion(version), batch.batch_digest, weights(version), 0.5, {}};
  }
  static Digest weights(uint64_t version) { return version == 0 ? Digest{} : DigestBuilder().add(version).finish(); }
  void begin() {
    hello(Role::kReward, "w");
    hello(Role::kRollout, "r");
    learner_ready();
  }
};

}  // namespace prosodia::core
