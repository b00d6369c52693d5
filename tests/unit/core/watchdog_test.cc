// Watchdogs: processes that live without working.
#include "tests/unit/core/run_core_fixture.h"

namespace prosodia::core {
namespace {

using namespace protocol;

TEST_F(RunCoreTest, AWorkerWhoseHeartbeatsComeButWhoseWorkStandsStillIsWedged) {
  learner_ready();
  hello(Role::kRollout, "r");
  const auto [lease, task] = sent<TaskRollout>().at(0);
  for (now_ = 100; now_ < 1000; now_ += 100) {
    for (const char* name : {"r", "learner"}) deliver(name, Heartbeat{{{LeaseId(lease), 0}}});
    take(core_->on_tick(now_));
    EXPECT_TRUE(replaced_.empty());
  }
  take(core_->on_tick(now_ = 1000));
  EXPECT_EQ(replaced_, std::vector<std::string>{"r"});
  ASSERT_EQ(sent<Shutdown>().size(), 1u);
  EXPECT_EQ(sent<Shutdown>()[0].second.exit_code, 4);
  EXPECT_EQ(core_->counters().workers_wedged, 1u);
  EXPECT_EQ(core_->counters().reasons.at("worker/wedged"), 1u);
  EXPECT_EQ(core_->active_leases(), 0u);
  // Whatever it says now is refused: it must exit. A new process takes its place at once.
  deliver("r", result_for(task), lease);
  EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kStaleEpoch);
  hello(Role::kRollout, "r");
  EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kStaleEpoch);
  EXPECT_EQ(core_->counters().reasons.at("worker/refused/wedged/hello"), 1u);
  hello(Role::kRollout, "r", 2);
  EXPECT_EQ(sent<TaskRollout>().size(), 4u);
}

TEST_F(RunCoreTest, ProgressKeepsAWorkerHoweverLongItTakes) {
  learner_ready();
  hello(Role::kRollout, "r");
  const auto lease = sent<TaskRollout>().at(0).first;
  for (now_ = 100; now_ < 5000; now_ += 100) {
    deliver("r", Heartbeat{{{LeaseId(lease), static_cast<uint64_t>(now_)}}});
    take(core_->on_tick(now_));
    EXPECT_TRUE(replaced_.empty());
  }
  EXPECT_EQ(core_->counters().workers_wedged, 0u);
}

TEST_F(RunCoreTest, AWorkerSilentForGoodIsReplacedAndOneThatComesBackIsNot) {
  hello(Role::kRollout, "stopped");
  hello(Role::kRollout, "slow");
  now_ = 400;
  take(core_->on_tick(now_));
  EXPECT_EQ(core_->counters().workers_lost, 2u);
  now_ = 900;
  hello(Role::kRollout, "slow");
  now_ = 1100;
  deliver("slow", Heartbeat{});
  take(core_->on_tick(now_));
  EXPECT_EQ(replaced_, std::vector<std::string>{"stopped"});
}

TEST_F(RunCoreTest, AnExpectedWorkerThatNeverSaysHelloIsReplaced) {
  RunOptions options = run_options();
  options.learner_timeout_ms = 3000;
  options.expected_workers = {"here", "missing"};
  boot(options);
  for (now_ = 0; now_ < 6500; now_ += 100) {
    hello(Role::kReward, "here");
    take(core_->on_tick(now_));
    EXPECT_EQ(replaced_.size(), now_ > 0 && now_ % 3000 == 0 ? 1u : 0u) << now_;
  }
  EXPECT_EQ(core_->counters().workers_missing, 2u);
}

class StuckLearnerTest : public WholeRunTest {
 protected:
  StuckLearnerTest() {
    RunOptions options = run_options();
    options.learner_timeout_ms = 2000;
    options.learner_return_ms = 5000;
    journal_.clear();
    boot(options);
  }
  // Heartbeats of everybody, with the learner's progress counter, until `until`; true when the learner was replaced.
  bool beat(int64_t until, uint64_t learner_lease, bool moves) {
    for (; now_ < until; now_ += 100) {
      for (const char* name : {"w", "r"}) deliver(name, Heartbeat{});
      const auto progress = moves ? static_cast<uint64_t>(now_) : 0;
      deliver("learner", Heartbeat{{{LeaseId(learner_lease), progress}}});
      take(core_->on_tick(now_));
      if (!replaced_.empty()) return replaced_ == std::vector<std::string>{"learner"};
    }
    return false;
  }
};

TEST_F(StuckLearnerTest, NoProgressWhileLoadingFailsTheEpoch) {
  hello(Role::kLearner, "learner");
  EXPECT_FALSE(beat(1900, 0, false));
  EXPECT_TRUE(beat(4000, 0, false));
  EXPECT_EQ(now_, 2000);
  EXPECT_EQ(core_->learner_state(), LearnerState::kAbsent);
  EXPECT_EQ(core_->counters().reasons.at("learner/stuck"), 1u);
  hello(Role::kLearner, "learner", 2);
  EXPECT_EQ(core_->learner_state(), LearnerState::kLoading);
}

TEST_F(StuckLearnerTest, NoProgressOnABatchFailsTheEpochAndTheBatchGoesToTheNext) {
  begin();
  // Play the rollout and reward workers, not the learner.
  std::vector<Sent> open = sent_;
  std::optional<std::pair<uint64_t, StepBatch>> batch;
  for (size_t i = 0; i < open.size() && !batch; ++i) {
    const uint64_t lease = open[i].header.lease_id.value;
    if (open[i].header.type == MessageType::kTaskRollout) {
      deliver("r", result_for(*decode<TaskRollout>(open[i].payload)), lease);
    } else if (open[i].header.type == MessageType::kTaskReward) {
      deliver("w", scores_for(*decode<TaskReward>(open[i].payload)), lease);
    }
    if (!sent<StepBatch>().empty()) batch = sent<StepBatch>()[0];
    open.insert(open.end(), sent_.begin(), sent_.end());
  }
  ASSERT_TRUE(batch);
  const uint64_t lease = batch->first;
  EXPECT_FALSE(beat(6000, lease, true));  // slow is not stuck
  EXPECT_TRUE(beat(9000, lease, false));
  EXPECT_EQ(core_->counters().learners_stuck, 1u);
  EXPECT_EQ(core_->counters().reasons.at("batch/returned"), 1u);
  hello(Role::kLearner, "learner", 2);
  deliver("learner", WeightsReady{{{PolicyVersion(0), Digest{}}}}, 0, 2);
  EXPECT_EQ(sent<StepBatch>().at(0).second.batch_digest, batch->second.batch_digest);
  // The old group's StepDone, should it wake up, is refused.
  deliver("learner", done_of(batch->second), lease, 1);
  EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kStaleEpoch);
  EXPECT_EQ(core_->trained_steps(), 0u);
}

// It runs, it is fenced because it knows steps that the journal does not, and it hangs in place of exiting.
TEST_F(StuckLearnerTest, AFencedLearnerThatDoesNotExitIsReported) {
  RunOptions options = run_options();
  options.learner_timeout_ms = 2000;
  options.expected_workers = {"learner"};
  boot(options);
  Hello message;
  message.role = Role::kLearner;
  message.name = "learner";
  message.served = {{PolicyVersion(0), Digest{}}, {PolicyVersion(3), weights(3)}};
  deliver("learner", message);
  EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kStaleEpoch);
  take(core_->on_tick(now_ = 1900));
  EXPECT_TRUE(replaced_.empty());
  take(core_->on_tick(now_ = 2000));
  EXPECT_EQ(replaced_, std::vector<std::string>{"learner"});
}

TEST_F(StuckLearnerTest, ALearnerThatDoesNotComeBackStopsTheRun) {
  learner_ready();
  deliver("learner", Goodbye{"x"});
  now_ = 4900;
  take(core_->on_tick(now_));
  EXPECT_FALSE(failed_);
  now_ = 5100;
  take(core_->on_tick(now_));
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace prosodia::core
