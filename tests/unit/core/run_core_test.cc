// RunCore driven by hand: one frame in, actions out.
#include "tests/unit/core/run_core_fixture.h"

namespace prosodia::core {
namespace {

using namespace protocol;

TEST_F(RunCoreTest, NoRolloutBeforeItsVersionIsAnnounced) {
  hello(Role::kRollout, "r");
  EXPECT_TRUE(sent<TaskRollout>().empty());
  learner_ready();
  // Version 0 serves steps 0 and 1 with lag 1: two steps of two prompts.
  const auto tasks = sent<TaskRollout>();
  ASSERT_EQ(tasks.size(), 4u);
  for (const auto& [lease, task] : tasks) EXPECT_EQ(task.policy_version, PolicyVersion(0));
  EXPECT_EQ(records<GateDecided>(), 2u);
}

TEST_F(RunCoreTest, ConfigDigestAndProtocolMismatchAreRejectedWithReasons) {
  Hello message;
  message.name = "r";
  message.config_digest = DigestBuilder().add("other").finish();
  deliver("r", message);
  ASSERT_EQ(sent<Reject>().size(), 1u);
  EXPECT_EQ(sent<Reject>()[0].second.code, RejectCode::kConfigDigest);
  EXPECT_NE(sent<Reject>()[0].second.reason.find(message.config_digest.short_hex()), std::string::npos);
  message.config_digest = Digest{};
  message.protocol_min = message.protocol_max = 9;
  deliver("r", message);
  EXPECT_EQ(sent<Reject>().at(0).second.code, RejectCode::kProtocolVersion);
}

TEST_F(RunCoreTest, ResultIsJournaledThenAckedAndADuplicateIsAckedAgain) {
  learner_ready();
  hello(Role::kRollout, "r");
  const auto [lease, task] = sent<TaskRollout>().at(0);
  deliver("r", result_for(task), lease);
  EXPECT_EQ(records<GroupSampled>(), 1u);
  EXPECT_EQ(sent<ResultAck>().size(), 1u);
  deliver("r", result_for(task), lease);  // the acknowledgement was lost
  EXPECT_EQ(records<GroupSampled>(), 1u);
  EXPECT_EQ(sent<ResultAck>().size(), 1u);
  EXPECT_EQ(core_->counters().results_accepted, 1u);
}

TEST_F(RunCoreTest, LateResultOfAnExpiredLeaseIsRefusedAndCounted) {
  learner_ready();
  hello(Role::kRollout, "slow");
  const auto [lease, task] = sent<TaskRollout>().at(0);
  now_ = 990;
  deliver("slow", Heartbeat{{{LeaseId(lease), 0}}});  // alive, without progress
  now_ = 1001;
  take(core_->on_tick(now_));
  EXPECT_GE(core_->counters().leases_expired[0], 1u);
  deliver("slow", result_for(task), lease);
  ASSERT_EQ(sent<Refused>().size(), 1u);
  EXPECT_EQ(sent<Refused>()[0].second.reason, RefusalReason::kStaleLease);
  EXPECT_EQ(rejected(RefusalReason::kStaleLease), 1u);
  EXPECT_EQ(records<GroupSampled>(), 0u);
}

TEST_F(RunCoreTest, SilentWorkerLosesItsLeasesToAnother) {
  learner_ready();
  hello(Role::kRollout, "dies");
  EXPECT_EQ(sent<TaskRollout>().size(), 4u);
  now_ = 250;
  hello(Role::kRollout, "lives");
  deliver("learner", Heartbeat{});
  EXPECT_TRUE(sent<TaskRollout>().empty());
  now_ = 301;
  take(core_->on_tick(now_));
  EXPECT_EQ(core_->counters().workers_lost, 1u);
  EXPECT_EQ(sent<TaskRollout>().size(), 4u);
  for (const Sent& s : sent_) EXPECT_EQ(s.peer, "lives#1");
  deliver("dies", Heartbeat{});  // it was only slow
  EXPECT_EQ(sent<HelloRequest>().size(), 1u);
}

TEST_F(RunCoreTest, RestartedWorkerFencesItsOldProcess) {
  learner_ready();
  hello(Role::kRollout, "r", 1);
  const auto [lease, task] = sent<TaskRollout>().at(0);
  hello(Role::kRollout, "r", 2);
  EXPECT_EQ(sent<TaskRollout>().size(), 4u);  // at once, not after a timeout
  deliver("r", result_for(task), lease, 1);
  EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kStaleEpoch);
}

TEST_F(RunCoreTest, WrongRoleGroupVersionAndShapeAreRefused) {
  learner_ready();
  hello(Role::kRollout, "r");
  hello(Role::kReward, "w");
  deliver("learner", WeightsReady{{{PolicyVersion(0), Digest{}}}});
  now_ += 10;
  hello(Role::kRollout, "q");
  take(core_->on_tick(now_));
  // r holds all four leases, in id order.
  const auto lease_of = [&](uint64_t i) { return (core_->life() << 32) + i; };
  TaskRollout task;
  task.group_id = GroupId(0);
  task.num_generations = 2;
  deliver("w", result_for(task), lease_of(1));
  EXPECT_EQ(rejected(RefusalReason::kBadRole), 1u);
  task.group_id = GroupId(1);
  deliver("r", result_for(task), lease_of(1));
  EXPECT_EQ(rejected(RefusalReason::kWrongGroup), 1u);
  task.group_id = GroupId(0);
  deliver("q", result_for(task), lease_of(1));  // somebody else's lease
  EXPECT_EQ(rejected(RefusalReason::kWrongGroup), 2u);
  task.policy_version = PolicyVersion(1);
  deliver("r", result_for(task), lease_of(1));
  EXPECT_EQ(rejected(RefusalReason::kWrongVersion), 1u);
  task.policy_version = PolicyVersion(0);
  task.group_id = GroupId(1);
  task.num_generations = 1;
  deliver("r", result_for(task), lease_of(2));
  EXPECT_EQ(rejected(RefusalReason::kMalformed), 1u);
  EXPECT_EQ(records<GroupSampled>(), 0u);
}

class FailedGroupTest : public RunCoreTest {
 protected:
  void fail_group_0(const std::vector<ErrorCode>& codes);
};

// One try fails with each code in turn.
void FailedGroupTest::fail_group_0(const std::vector<ErrorCode>& codes) {
  learner_ready();
  for (const char* name : {"a", "b", "c"}) hello(Role::kRollout, name);
  std::set<std::string> tried;
  // Whoever gets group 0 fails on it; the others do nothing.
  std::string holder = "a";  // the first Hello took every group
  uint64_t lease = (core_->life() << 32) + 1;
  for (const ErrorCode code : codes) {
    tried.insert(holder);
    deliver(holder, TaskFailed{GroupId(0), code, "row 2: no such audio"}, lease);
    if (failed_) break;
    now_ += 50;
    for (const char* name : {"a", "b", "c"}) deliver(name, Heartbeat{});
    take(core_->on_tick(now_));
    for (const Sent& s : sent_) {
      if (s.header.type != MessageType::kTaskRollout) continue;
      if (decode<TaskRollout>(s.payload)->group_id != GroupId(0)) continue;
      holder = s.peer.substr(0, 1);
      lease = s.header.lease_id.value;
    }
  }
  EXPECT_EQ(tried.size(), 3u);  // different workers
  ASSERT_TRUE(failed_);
  EXPECT_TRUE(core_->finished());
}

TEST_F(FailedGroupTest, BadInputStopsTheRunForGoodNamingTheGroup) {
  fail_group_0({ErrorCode::kInternal, ErrorCode::kInvalidInput, ErrorCode::kInvalidInput});
  EXPECT_EQ(failed_->code, ErrorCode::kInvalidInput);
  EXPECT_NE(failed_->message.find("group 0"), std::string::npos);
  EXPECT_NE(failed_->message.find("no such audio"), std::string::npos);
  EXPECT_NE(failed_->message.find("new --output_dir"), std::string::npos);
  EXPECT_EQ(sent<Shutdown>().at(0).second.exit_code, 3);
}

TEST_F(FailedGroupTest, OtherFailureStopsTheRunForNow) {
  fail_group_0({ErrorCode::kInvalidInput, ErrorCode::kInvalidInput, ErrorCode::kInternal});
  EXPECT_EQ(failed_->code, ErrorCode::kUnavailable);
}

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
};

TEST_F(RewardTest, MissingScoresAreTriedAgainThenLeaveTheGroup) {
  auto [lease, task] = first_reward();
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(task.attempt, attempt);
    deliver("w", scores_for(task, false), lease);
    if (attempt == 3) break;
    EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kIncomplete);
    now_ += 60;
    deliver("w", Heartbeat{});
    take(core_->on_tick(now_));
    std::tie(lease, task) = sent<TaskReward>().at(0);
  }
  EXPECT_EQ(sent<ResultAck>().size(), 1u);
  ASSERT_EQ(records<GroupScored>(), 1u);
  const auto& scored = std::get<GroupScored>(*std::find_if(
      journal_.begin(), journal_.end(), [](const Record& r) { return std::holds_alternative<GroupScored>(r); }));
  EXPECT_FALSE(scored.result.responses[0].present);
  EXPECT_EQ(scored.result.responses[0].reasoning_status, ReasoningStatus::kTimeout);
  EXPECT_TRUE(scored.result.responses[1].present);
}

TEST_F(RewardTest, GroupThatNobodyCanScoreIsRecordedAsErrorNotAsZero) {
  auto [lease, task] = first_reward();
  for (int attempt = 0; attempt < 3; ++attempt) {
    deliver("w", TaskFailed{task.group_id, ErrorCode::kInternal, "scorer crashed"}, lease);
    if (attempt == 2) break;
    now_ += 60;
    deliver("w", Heartbeat{});
    take(core_->on_tick(now_));
    std::tie(lease, task) = sent<TaskReward>().at(0);
  }
  ASSERT_EQ(records<GroupScored>(), 1u);
  const auto& scored = std::get<GroupScored>(journal_.back());
  for (const ResponseScore& score : scored.result.responses) {
    EXPECT_FALSE(score.scored);
    EXPECT_FALSE(score.present);
    EXPECT_EQ(score.reasoning_status, ReasoningStatus::kError);
    EXPECT_NE(score.detail.find("scorer crashed"), std::string::npos);
  }
}

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
