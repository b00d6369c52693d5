// RunCore: what counts as a step done, what is kept for replays, and what the end of a run waits for.
#include "tests/unit/core/run_core_fixture.h"

namespace prosodia::core {
namespace {

using namespace protocol;

class StepsTest : public WholeRunTest {
 protected:
  // Scores `tasks` and returns the batch that the learner then gets, with its lease.
  std::optional<std::pair<uint64_t, StepBatch>> score_all(const std::vector<std::pair<uint64_t, TaskReward>>& tasks) {
    std::optional<std::pair<uint64_t, StepBatch>> batch;
    for (const auto& [lease, task] : tasks) {
      deliver("w", scores_for(task), lease);
      if (!sent<StepBatch>().empty()) batch = sent<StepBatch>()[0];
    }
    return batch;
  }
  void announce_version_1() {
    deliver("learner", WeightsReady{{{PolicyVersion(0), weights(0)}, {PolicyVersion(1), weights(1)}}});
  }
  void tick_after(int64_t ms) {
    now_ += ms;
    for (const char* name : {"w", "r", "learner"}) deliver(name, Heartbeat{});
    take(core_->on_tick(now_));
  }
};

TEST_F(StepsTest, AStepDoneOnAnotherBatchIsRefused) {
  (void)first_reward();
  const auto batch = score_all(sent<TaskReward>());
  ASSERT_TRUE(batch);
  announce_version_1();
  StepDone done = done_of(batch->second);
  done.batch_digest = DigestBuilder().add("another batch").finish();
  deliver("learner", done, batch->first);
  EXPECT_EQ(rejected(RefusalReason::kOutOfOrder), 1u);
  EXPECT_EQ(core_->trained_steps(), 0u);
  deliver("learner", done_of(batch->second), batch->first);
  EXPECT_EQ(core_->trained_steps(), 1u);
}

TEST_F(StepsTest, ResponsesThatNobodyScoredAreNotWrongAnswers) {
  auto [lease, task] = first_reward();
  auto others = sent<TaskReward>();
  others.erase(others.begin());
  for (int attempt = 0; attempt < 3; ++attempt) {
    deliver("w", TaskFailed{task.group_id, ErrorCode::kInternal, "scorer crashed"}, lease);
    if (attempt < 2) std::tie(lease, task) = next_try();
  }
  const auto batch = score_all(others);
  ASSERT_TRUE(batch);
  announce_version_1();
  deliver("learner", done_of(batch->second), batch->first);
  ASSERT_EQ(core_->trained_steps(), 1u);
  EXPECT_EQ(core_->step_record(StepId(0)).facts.accuracy, 1.0);  // of the responses that were scored
}

// The batches that a learner starts from are there when it asks, whatever is archived while it loads.
TEST_F(StepsTest, NothingThatALoadingLearnerNeedsIsReleased) {
  begin();
  run_steps(2);
  for (uint64_t version : {1, 2}) deliver("learner", CheckpointCommitted{PolicyVersion(version), "x"});
  EXPECT_EQ(core_->released_steps(), 0u);  // nothing is archived yet
  hello(Role::kLearner, "learner", 2);     // it offers version 0
  core_->archived(StepId(2));
  EXPECT_EQ(core_->released_steps(), 0u);
  deliver("learner", WeightsReady{{{PolicyVersion(0), Digest{}}}}, 0, 2);
  ASSERT_EQ(sent<StepBatch>().size(), 1u);
  EXPECT_EQ(sent<StepBatch>()[0].second.step, StepId(0));
}

TEST_F(StepsTest, TheFinalCheckpointIsAskedForAfterItsTimeAndNotBefore) {
  begin();
  run_steps(3);
  tick_after(options_.final_checkpoint_ms - 1);
  EXPECT_TRUE(sent<CheckpointRequest>().empty());
  tick_after(1);
  EXPECT_EQ(sent<CheckpointRequest>().size(), 1u);
}

TEST_F(StepsTest, AStopWaitsUntilTheVersionReachedIsSaved) {
  begin();
  run_steps(3);
  deliver("learner", CheckpointCommitted{PolicyVersion(2), "x"});
  take(core_->on_stop(now_));
  tick_after(10);
  EXPECT_FALSE(core_->finished());
  deliver("learner", CheckpointCommitted{PolicyVersion(3), "x"});
  EXPECT_TRUE(core_->finished());
}

TEST_F(StepsTest, ALearnerStartsFromTheNewestVersionThatTheJournalKnows) {
  begin();
  run_steps(2);
  Hello message;
  message.role = Role::kLearner;
  message.name = "learner";
  message.resumable = {PolicyVersion(0), PolicyVersion(1), PolicyVersion(5)};
  deliver("learner", message, 0, 2);
  ASSERT_EQ(sent<Welcome>().size(), 1u);
  EXPECT_EQ(sent<Welcome>()[0].second.resume_version, PolicyVersion(1));
}

// A step ahead is what a lost StepDone looks like, but only of a batch that was journaled.
TEST_F(StepsTest, ALearnerAheadOfTheJournalWithoutABatchIsRefused) {
  begin();  // the gate of step 0 is journaled, its batch is not
  boot(options_);
  Hello message;
  message.role = Role::kLearner;
  message.name = "learner";
  message.served = {{PolicyVersion(0), weights(0)}, {PolicyVersion(1), weights(1)}};
  deliver("learner", message, 0, 2);
  EXPECT_TRUE(sent<Welcome>().empty());
  EXPECT_EQ(rejected(RefusalReason::kStaleEpoch), 1u);
  EXPECT_EQ(core_->learner_state(), LearnerState::kAbsent);
}

TEST_F(StepsTest, AnAnnouncementThatANewerOneOvertookChangesNothing) {
  begin();
  run_steps(1);
  const uint64_t newest = seq_;
  seq_ = 1;  // before any announcement of version 1
  deliver("learner", WeightsReady{{{PolicyVersion(0), weights(0)}}});
  seq_ = newest;
  hello(Role::kRollout, "r", 2);  // its groups of step 2 wait again, for version 1
  const auto tasks = sent<TaskRollout>();
  ASSERT_FALSE(tasks.empty());
  EXPECT_EQ(tasks[0].second.policy_version, PolicyVersion(1));
}

}  // namespace
}  // namespace prosodia::core
