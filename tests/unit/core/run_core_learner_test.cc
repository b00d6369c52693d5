// RunCore: the learner, whole runs, replays of the journal.
#include "tests/unit/core/run_core_fixture.h"

namespace prosodia::core {
namespace {

using namespace protocol;

TEST_F(WholeRunTest, CompletesOnlyWithACheckpointOfTheEnd) {
  begin();
  run_steps(3);
  EXPECT_EQ(records<RunComplete>(), 0u);
  deliver("learner", CheckpointCommitted{PolicyVersion(3), "x"});
  EXPECT_EQ(records<RunComplete>(), 1u);
  EXPECT_EQ(sent<Shutdown>().size(), 3u);
  EXPECT_TRUE(core_->finished());
}

TEST_F(WholeRunTest, AsksForTheFinalCheckpointWhenNoneComes) {
  begin();
  run_steps(3);
  now_ += options_.final_checkpoint_ms;
  for (const char* name : {"w", "r", "learner"}) deliver(name, Heartbeat{});
  take(core_->on_tick(now_));
  EXPECT_EQ(sent<CheckpointRequest>().size(), 1u);
}

TEST_F(WholeRunTest, ReplayedJournalGivesTheSameState) {
  begin();
  run_steps(2);
  const Digest digest = core_->run_digest();
  boot(options_);
  EXPECT_EQ(core_->trained_steps(), 2u);
  EXPECT_EQ(core_->run_digest(), digest);
  EXPECT_EQ(core_->life(), 2u);
}

TEST_F(WholeRunTest, ReloadTakesReleasedStepsFromTheGivenOneOn) {
  begin();
  run_steps(2);
  for (uint64_t version : {1, 2}) deliver("learner", CheckpointCommitted{PolicyVersion(version), "x"});
  core_->archived(StepId(2));
  ASSERT_FALSE(core_->has_groups(StepId(0)));
  for (const Record& record : journal_) core_->reload(StepId(1), record);
  EXPECT_FALSE(core_->has_groups(StepId(0)));  // else it would stay in memory to the end of the run
  for (const Record& record : journal_) core_->reload(StepId(0), record);
  EXPECT_TRUE(core_->has_groups(StepId(0)));
}

TEST_F(WholeRunTest, LearnerResumedFromItsCheckpointReplaysTheSameBatches) {
  begin();
  run_steps(2);
  hello(Role::kLearner, "learner", 2);  // its group was restarted; it offers version 0
  EXPECT_EQ(sent<Welcome>().at(0).second.resume_version, PolicyVersion(0));
  deliver("learner", WeightsReady{{{PolicyVersion(0), Digest{}}}}, 0, 2);
  const auto [lease, batch] = sent<StepBatch>().at(0);
  EXPECT_TRUE(batch.replay);
  EXPECT_EQ(batch.step, StepId(0));
  deliver("learner", done_of(batch), lease, 2);
  EXPECT_EQ(core_->counters().steps_replayed, 1u);
  EXPECT_EQ(sent<StepBatch>().at(0).second.step, StepId(1));
  EXPECT_EQ(core_->trained_steps(), 2u);
}

TEST_F(WholeRunTest, ReplayThatGivesOtherBitsStopsTheRun) {
  begin();
  run_steps(2);
  hello(Role::kLearner, "learner", 2);
  deliver("learner", WeightsReady{{{PolicyVersion(0), Digest{}}}}, 0, 2);
  const auto [lease, batch] = sent<StepBatch>().at(0);
  StepDone done = done_of(batch);
  done.loss += 1e-16;
  done.loss = std::nextafter(done.loss, 1.0);
  deliver("learner", done, lease, 2);
  ASSERT_TRUE(failed_);
  EXPECT_NE(failed_->message.find("step 0"), std::string::npos);
}

TEST_F(WholeRunTest, ReplayThatGivesOtherBitsIsFollowedWhenAllowed) {
  RunOptions options = run_options();
  options.strict_replay = false;
  journal_.clear();
  boot(options);
  begin();
  run_steps(2);
  const Digest before = core_->run_digest();
  hello(Role::kLearner, "learner", 2);
  deliver("learner", WeightsReady{{{PolicyVersion(0), Digest{}}}}, 0, 2);
  const auto [lease, batch] = sent<StepBatch>().at(0);
  StepDone done = done_of(batch);
  done.loss = 0.75;
  deliver("learner", done, lease, 2);
  EXPECT_FALSE(failed_);
  EXPECT_EQ(core_->counters().replay_mismatches, 1u);
  const Digest after = core_->run_digest();
  EXPECT_NE(after, before);
  boot(options);
  EXPECT_EQ(core_->run_digest(), after);  // the journal followed
}

TEST_F(WholeRunTest, AnotherModelInARunFolderIsRefused) {
  begin();
  boot(options_);
  hello(Role::kLearner, "learner", 3);
  deliver("learner", WeightsReady{{{PolicyVersion(0), weights(9)}}}, 0, 3);
  ASSERT_TRUE(failed_);
  EXPECT_EQ(failed_->code, ErrorCode::kInvalidInput);
}

TEST_F(WholeRunTest, LearnerThatRunsGoesOnAfterACoordinatorRestart) {
  begin();
  run_steps(2);
  boot(options_);
  Hello message;
  message.role = Role::kLearner;
  message.name = "learner";
  message.served = {{PolicyVersion(1), weights(1)}, {PolicyVersion(2), weights(2)}};
  deliver("learner", message);
  EXPECT_EQ(sent<Welcome>().at(0).second.resume_version, PolicyVersion(2));
  EXPECT_EQ(core_->learner_state(), LearnerState::kIdle);
}

// Nobody trains a batch that it was not sent: not even one that an earlier life put together and journaled.
TEST_F(WholeRunTest, AStepThatTheLearnerWasNotSentIsRefused) {
  (void)first_reward();
  std::optional<StepBatch> sent_batch;
  for (const auto& [lease, task] : sent<TaskReward>()) {
    deliver("w", scores_for(task), lease);
    if (!sent<StepBatch>().empty()) sent_batch = sent<StepBatch>()[0].second;
  }
  ASSERT_TRUE(sent_batch);
  boot(options_);
  hello(Role::kLearner, "learner", 2);
  take(core_->on_stop(now_));  // so that nothing more is sent
  deliver("learner", WeightsReady{{{PolicyVersion(0), Digest{}}}}, 0, 2);
  ASSERT_EQ(core_->learner_state(), LearnerState::kIdle);
  ASSERT_TRUE(sent<StepBatch>().empty());
  deliver("learner", done_of(*sent_batch), 0, 2);
  EXPECT_EQ(core_->trained_steps(), 0u);
  EXPECT_EQ(rejected(RefusalReason::kOutOfOrder), 1u);
  EXPECT_TRUE(core_->counters().reasons.contains("batch/refused/ready/step_done"));
}

// A stop before the first step: version 0 needs no checkpoint, and one that comes all the same is not sent for ever.
TEST_F(WholeRunTest, ACheckpointOfVersionZeroIsAcknowledged) {
  begin();
  deliver("learner", CheckpointCommitted{PolicyVersion(0), "x"});
  EXPECT_EQ(sent<ResultAck>().size(), 1u);
  EXPECT_EQ(records<CheckpointSaved>(), 0u);
}

TEST_F(WholeRunTest, StopSavesFirst) {
  begin();
  run_steps(1);
  take(core_->on_stop(now_));
  EXPECT_EQ(sent<CheckpointRequest>().size(), 1u);
  EXPECT_FALSE(core_->finished());
  now_ += 10;
  take(core_->on_tick(now_));
  EXPECT_TRUE(sent<StepBatch>().empty());
}

TEST_F(WholeRunTest, AFoldAndTheRestOfTheJournalGiveTheSameState) {
  begin();
  run_steps(2);
  for (uint64_t version : {1, 2}) deliver("learner", CheckpointCommitted{PolicyVersion(version), "x"});
  core_->archived(StepId(2));
  ASSERT_EQ(core_->released_steps(), 1u);
  const Digest digest = core_->run_digest();
  const uint64_t tokens = core_->num_tokens(StepId(2));
  const std::vector<Record> whole = journal_, fold = core_->fold();
  // Any part of the journal that holds the records of steps from 1 on will do: replaying is idempotent.
  size_t first = whole.size();
  for (size_t i = whole.size(); i-- > 0;) {
    if (const auto step = core_->step_of(whole[i]); step && *step >= StepId(1)) first = i;
  }
  for (size_t from = 1; from <= first; ++from) {
    journal_ = fold;
    journal_.insert(journal_.end(), whole.begin() + static_cast<std::ptrdiff_t>(from), whole.end());
    boot(options_);
    EXPECT_EQ(core_->trained_steps(), 2u) << from;
    EXPECT_EQ(core_->run_digest(), digest);
    EXPECT_EQ(core_->folded_steps(), 1u);
    EXPECT_EQ(core_->num_tokens(StepId(2)), tokens);
    EXPECT_EQ(core_->last_checkpoint(), PolicyVersion(2));
    EXPECT_EQ(core_->life(), 2u);
    EXPECT_TRUE(core_->has_groups(StepId(1)));
  }
}

TEST_F(WholeRunTest, AFoldWithOtherBitsIsCorruption) {
  begin();
  run_steps(2);
  for (uint64_t version : {1, 2}) deliver("learner", CheckpointCommitted{PolicyVersion(version), "x"});
  core_->archived(StepId(2));
  auto fold = core_->fold();
  std::get<StepsFolded>(fold.at(1)).steps.at(0).loss += 1;
  RunCore other(options_, [this](uint64_t row) -> const std::string& { return rows_[row]; });
  ASSERT_TRUE(other.replay(fold[0]));
  EXPECT_EQ(other.replay(fold[1]).error().code, ErrorCode::kCorruption);
}

TEST(RunCoreReplay, OtherConfigurationDatasetOrPlanIsRefusedByName) {
  const std::string row = "{}";
  const auto refused = [&](auto&& change) {
    RunOptions options = run_options();
    RunCore core(options, [&](uint64_t) -> const std::string& { return row; });
    RunCreated created{1, RunId(5), {}, {}, 3, 2, 2, 1};
    change(created);
    const auto status = core.replay(created);
    return status ? std::string("accepted") : status.error().message;
  };
  EXPECT_EQ(refused([](RunCreated&) {}), "accepted");
  const Digest other = DigestBuilder().add("x").finish();
  EXPECT_NE(refused([&](RunCreated& r) { r.config_digest = other; }).find("configuration"), std::string::npos);
  EXPECT_NE(refused([&](RunCreated& r) { r.dataset_digest = other; }).find("dataset"), std::string::npos);
  EXPECT_NE(refused([](RunCreated& r) { r.seed = 9; }).find("seed"), std::string::npos);
  EXPECT_NE(refused([](RunCreated& r) { r.lag = 9; }).find("lag"), std::string::npos);
}

TEST(RunCoreReplay, RecordsOutOfOrderAreCorruption) {
  const std::string row = "{}";
  RunCore core(run_options(), [&](uint64_t) -> const std::string& { return row; });
  EXPECT_EQ(core.replay(LifeStarted{1}).error().code, ErrorCode::kCorruption);
  ASSERT_TRUE(core.replay(RunCreated{1, RunId(5), {}, {}, 3, 2, 2, 1}));
  EXPECT_EQ(core.replay(GroupScored{}).error().code, ErrorCode::kCorruption);
  EXPECT_EQ(core.replay(StepBatched{StepId(0), {}}).error().code, ErrorCode::kCorruption);
  EXPECT_EQ(core.replay(StepTrained{}).error().code, ErrorCode::kCorruption);
  EXPECT_EQ(core.replay(CheckpointSaved{PolicyVersion(4), ""}).error().code, ErrorCode::kCorruption);
}

}  // namespace
}  // namespace prosodia::core
