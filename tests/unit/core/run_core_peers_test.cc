// RunCore and peers that claim what they may not, hold what they should not, or cannot reach what they need.
#include "tests/unit/core/run_core_fixture.h"

namespace prosodia::core {
namespace {

TEST_F(RunCoreTest, AWorkerIsToldOfLeasesThatEndedWithoutIt) {
  learner_ready();
  hello(Role::kRollout, "slow");
  const auto tasks = sent<TaskRollout>();
  ASSERT_GE(tasks.size(), 2u);
  const auto [lease, task] = tasks[0];
  const uint64_t other = tasks[1].first;
  now_ = 10;
  deliver("slow", result_for(tasks[1].second), other);  // completed: no cancellation, its ack is on the way
  now_ = 1500;                                          // heard of only now
  deliver("slow", Heartbeat{{{LeaseId(other), 1}}});
  take(core_->on_tick(now_));
  EXPECT_TRUE(sent<CancelLease>().empty());
  EXPECT_GT(core_->counters().leases_lost[0], 0u);                         // its heartbeat did not list them
  deliver("slow", Heartbeat{{{LeaseId(lease), 1}, {LeaseId(other), 1}}});  // they had only arrived late
  const auto cancelled = sent<CancelLease>();
  ASSERT_EQ(cancelled.size(), 1u);
  EXPECT_EQ(cancelled[0].first, lease);
  EXPECT_EQ(core_->counters().cancels_sent, 1u);
  // A lease that is of another life of the coordinator is left alone.
  deliver("slow", Heartbeat{{{LeaseId((uint64_t{9} << 32) + 1), 1}}});
  EXPECT_TRUE(sent<CancelLease>().empty());
}

// It says Hello again and again and never works: the other worker gets every group it swallowed.
TEST_F(RunCoreTest, AWorkerThatSwallowsGroupsDoesNotGetThemAgain) {
  learner_ready();
  hello(Role::kRollout, "sink");
  const auto swallowed = sent<TaskRollout>();
  ASSERT_EQ(swallowed.size(), 4u);
  for (int beat = 0; beat < 11; ++beat) {
    now_ += 100;
    hello(Role::kRollout, "sink");
    hello(Role::kRollout, "good");
    deliver("learner", Heartbeat{});
  }
  take(core_->on_tick(now_));  // the leases' deadline
  const auto granted = sent<TaskRollout>();
  ASSERT_EQ(granted.size(), 4u);
  for (const Sent& s : sent_) {
    EXPECT_TRUE(s.header.type != MessageType::kTaskRollout || s.peer == "good#1") << s.peer;
  }
}

TEST_F(RunCoreTest, TheKeyDecidesTheRoleAndNotTheHello) {
  learner_ready();
  key_role_ = Role::kRollout;
  hello(Role::kReward, "impostor");
  const auto rejects = sent<Reject>();
  ASSERT_EQ(rejects.size(), 1u);
  EXPECT_EQ(rejects[0].second.code, RejectCode::kForeignRole);
  EXPECT_EQ(core_->counters().foreign_hellos, 1u);
  hello(Role::kRollout, "honest");
  EXPECT_EQ(sent<Welcome>().size(), 1u);
  deliver("honest", RewardResult{GroupId(0)}, 1);
  ASSERT_EQ(sent<Refused>().size(), 1u);
  EXPECT_EQ(sent<Refused>()[0].second.reason, RefusalReason::kBadRole);
  deliver("honest", CheckpointCommitted{PolicyVersion(1), "x"});
  EXPECT_EQ(sent<Refused>()[0].second.reason, RefusalReason::kBadRole);
  EXPECT_EQ(core_->counters().foreign_frames, 2u);
  key_role_ = Role::kReward;  // another key on the routing id of a rollout worker
  deliver("honest", Heartbeat{});
  EXPECT_TRUE(sent<Ping>().empty());
  EXPECT_EQ(core_->counters().foreign_frames, 3u);
}

TEST_F(RunCoreTest, ANameDoesNotReachAcrossRoles) {
  hello(Role::kReward, "w");
  hello(Role::kRollout, "w", 2);
  ASSERT_EQ(sent<Reject>().size(), 1u);
  EXPECT_EQ(sent<Reject>()[0].second.code, RejectCode::kNameTaken);
  EXPECT_EQ(core_->counters().workers_fenced, 0u);
  EXPECT_EQ(core_->workers().live(Role::kReward), 1u);
}

TEST_F(RunCoreTest, WeightsThatCannotBeFetchedAreNobodysFault) {
  RunOptions options = run_options();
  options.max_lost_leases = 2;
  options.max_rollout_tries = 2;
  journal_.clear();
  boot(options);
  learner_ready();
  hello(Role::kRollout, "r");
  for (int round = 0; round < 10; ++round) {
    const auto tasks = sent<TaskRollout>();
    for (const auto& [lease, task] : tasks) {
      deliver("r", TaskFailed{task.group_id, ErrorCode::kUnavailable, "no route to the weights port"}, lease);
      ASSERT_FALSE(failed_) << failed_->message;
    }
    now_ += 50;
    take(core_->on_tick(now_));
  }
  EXPECT_GE(core_->counters().weights_unreachable, 20u);
}

}  // namespace
}  // namespace prosodia::core
