// RunCore: leases, refusals, rewards.
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
  deliver("slow", Heartbeat{{{LeaseId(lease), 0}, {LeaseId(lease + 1), 7}}});  // it works, on something else
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

TEST_F(RunCoreTest, LogProbabilityThatIsNotFiniteIsMalformedAndTriedAgain) {
  learner_ready();
  hello(Role::kRollout, "r");
  const auto [lease, task] = sent<TaskRollout>().at(0);
  RolloutResult result = result_for(task);
  result.completions[1].logprobs[0] = -INFINITY;
  deliver("r", result, lease);
  EXPECT_EQ(rejected(RefusalReason::kMalformed), 1u);
  EXPECT_EQ(records<GroupSampled>(), 0u);
  now_ += 60;
  deliver("r", Heartbeat{});
  take(core_->on_tick(now_));
  ASSERT_EQ(sent<TaskRollout>().size(), 1u);
  EXPECT_EQ(sent<TaskRollout>()[0].second.group_id, task.group_id);
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

TEST_F(RewardTest, MissingScoresAreTriedAgainThenLeaveTheGroup) {
  auto [lease, task] = first_reward();
  for (uint32_t attempt = 1; attempt <= 3; ++attempt) {
    EXPECT_EQ(task.attempt, attempt);
    deliver("w", scores_for(task, {ReasoningStatus::kTimeout}), lease);
    if (attempt == 3) break;
    EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kIncomplete);
    std::tie(lease, task) = next_try();
  }
  EXPECT_EQ(sent<ResultAck>().size(), 1u);
  const GroupScored scored = only_scored();
  EXPECT_FALSE(scored.result.responses[0].present);
  EXPECT_EQ(scored.result.responses[0].reasoning_status, ReasoningStatus::kTimeout);
  EXPECT_TRUE(scored.result.responses[1].present);
}

TEST_F(RewardTest, UnparsableGradeIsFinalAtTheFirstTry) {
  auto [lease, task] = first_reward();
  deliver("w", scores_for(task, {ReasoningStatus::kUnparsable}), lease);
  EXPECT_EQ(sent<ResultAck>().size(), 1u);
  const GroupScored scored = only_scored();
  EXPECT_EQ(scored.tries, 1u);
  EXPECT_FALSE(scored.result.responses[0].present);
  EXPECT_EQ(scored.result.responses[0].reasoning_status, ReasoningStatus::kUnparsable);
  EXPECT_TRUE(scored.result.responses[1].present);
  EXPECT_EQ(rejected(RefusalReason::kIncomplete), 0u);
}

TEST_F(RewardTest, UnparsableGradeBesideATimeoutWaitsForTheTimeoutOnly) {
  auto [lease, task] = first_reward();
  deliver("w", scores_for(task, {ReasoningStatus::kUnparsable, ReasoningStatus::kError}), lease);
  EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kIncomplete);
  std::tie(lease, task) = next_try();
  deliver("w", scores_for(task, {ReasoningStatus::kTimeout, ReasoningStatus::kUnparsable}), lease);
  EXPECT_EQ(sent<Refused>().at(0).second.reason, RefusalReason::kIncomplete);
  std::tie(lease, task) = next_try();
  deliver("w", scores_for(task, {ReasoningStatus::kUnparsable, ReasoningStatus::kUnparsable}), lease);
  const GroupScored scored = only_scored();
  EXPECT_EQ(scored.tries, 3u);
  for (const ResponseScore& score : scored.result.responses) {  // the reasons of the last try, not of the first
    EXPECT_EQ(score.reasoning_status, ReasoningStatus::kUnparsable);
  }
}

TEST_F(RewardTest, RewardThatIsNotFiniteOrOfAnotherGateIsMalformed) {
  auto [lease, task] = first_reward();
  RewardResult result = scores_for(task);
  result.responses[1].total = NAN;
  deliver("w", result, lease);
  EXPECT_EQ(rejected(RefusalReason::kMalformed), 1u);
  std::tie(lease, task) = next_try();
  result = scores_for(task);
  result.gate = 0.5;  // the step's is 0
  deliver("w", result, lease);
  EXPECT_EQ(rejected(RefusalReason::kMalformed), 2u);
  EXPECT_EQ(records<GroupScored>(), 0u);
  std::tie(lease, task) = next_try();
  deliver("w", scores_for(task), lease);
  EXPECT_EQ(only_scored().tries, 3u);
}

TEST_F(RewardTest, PresentResponseThatNobodyScoredIsMalformed) {
  auto [lease, task] = first_reward();
  RewardResult result = scores_for(task);
  result.responses[0].scored = false;
  deliver("w", result, lease);
  EXPECT_EQ(rejected(RefusalReason::kMalformed), 1u);
  EXPECT_EQ(records<GroupScored>(), 0u);
}

TEST_F(RewardTest, GroupThatNobodyCanScoreIsRecordedAsErrorNotAsZero) {
  auto [lease, task] = first_reward();
  for (int attempt = 0; attempt < 3; ++attempt) {
    deliver("w", TaskFailed{task.group_id, ErrorCode::kInternal, "scorer crashed"}, lease);
    if (attempt == 2) break;
    std::tie(lease, task) = next_try();
  }
  const GroupScored scored = only_scored();
  for (const ResponseScore& score : scored.result.responses) {
    EXPECT_FALSE(score.scored);
    EXPECT_FALSE(score.present);
    EXPECT_EQ(score.reasoning_status, ReasoningStatus::kError);
    EXPECT_NE(score.detail.find("scorer crashed"), std::string::npos);
  }
}

}  // namespace
}  // namespace prosodia::core
