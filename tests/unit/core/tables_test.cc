// The transition tables of the headers, every state x event: what is listed happens, what is not does not.
#include <gtest/gtest.h>

#include <set>

#include "orchestrator/core/batch_state.h"
#include "orchestrator/core/checkpoint_state.h"
#include "orchestrator/core/group_table.h"
#include "orchestrator/core/learner_state.h"
#include "orchestrator/core/lease_table.h"
#include "orchestrator/core/worker_table.h"

namespace prosodia::core {
namespace {

// What the tables must say, written down a second time: a change of a table has to be made here too.
template <class L>
using Expected = std::map<std::pair<typename L::State, typename L::Event>, typename L::State>;

// Every state x event pair: listed pairs move on and count their reason; unlisted ones are refused and counted when a
// peer caused them, and abort when we did.
template <class L>
void walk(const Expected<L>& expected) {
  std::set<std::pair<typename L::State, typename L::Event>> listed;
  for (const auto& transition : L::kTable) {
    EXPECT_TRUE(listed.emplace(transition.from, transition.event).second) << "listed twice";
  }
  for (size_t s = 0; s < L::kStates.size(); ++s) {
    for (size_t e = 0; e < L::kEvents.size(); ++e) {
      const auto from = static_cast<typename L::State>(s);
      const auto event = static_cast<typename L::Event>(e);
      SCOPED_TRACE(fmt::format("{}: {} x {}", L::kName, L::kStates[s], L::kEvents[e].name));
      const auto want = expected.find({from, event});
      ASSERT_EQ(listed.contains({from, event}), want != expected.end());
      ReasonCounts counts;
      auto state = from;
      if (want != expected.end()) {
        EXPECT_TRUE(advance<L>(state, event, counts));
        EXPECT_EQ(state, want->second);
        const std::string_view reason = find_transition<L>(from, event)->reason;
        const ReasonCounts one = {{fmt::format("{}/{}", L::kName, reason), 1}};
        EXPECT_EQ(counts, reason.empty() ? ReasonCounts{} : one);
      } else if (L::kEvents[e].cause == Cause::kPeer) {
        EXPECT_FALSE(advance<L>(state, event, counts));
        EXPECT_EQ(state, from);
        EXPECT_EQ(counts,
                  (ReasonCounts{{fmt::format("{}/refused/{}/{}", L::kName, L::kStates[s], L::kEvents[e].name), 1}}));
      } else {
        EXPECT_DEATH((void)advance<L>(state, event, counts), std::string(L::kEvents[e].name));
      }
    }
  }
}

// Every state can be reached from the first one.
template <class L>
void expect_reachable(std::set<typename L::State> reached) {
  for (size_t round = 0; round < L::kStates.size(); ++round) {
    for (const auto& transition : L::kTable) {
      if (reached.contains(transition.from)) reached.insert(transition.to);
    }
  }
  EXPECT_EQ(reached.size(), L::kStates.size()) << L::kName;
}

TEST(Tables, Worker) {
  using S = WorkerState;
  using E = WorkerEvent;
  walk<WorkerLifecycle>({{{S::kLive, E::kHello}, S::kLive},
                         {{S::kLive, E::kTraffic}, S::kLive},
                         {{S::kLive, E::kGoodbye}, S::kGone},
                         {{S::kLive, E::kSilence}, S::kDead},
                         {{S::kLive, E::kReplaced}, S::kFenced},
                         {{S::kLive, E::kStuck}, S::kWedged},
                         {{S::kDead, E::kHello}, S::kLive},
                         {{S::kDead, E::kReplaced}, S::kFenced},
                         {{S::kDead, E::kOverdue}, S::kWedged},
                         {{S::kGone, E::kHello}, S::kLive},
                         {{S::kWedged, E::kReplaced}, S::kFenced}});
  expect_reachable<WorkerLifecycle>({S::kLive});
}

TEST(Tables, Lease) {
  using S = LeaseState;
  using E = LeaseEvent;
  walk<LeaseLifecycle>({{{S::kActive, E::kResult}, S::kCompleted},
                        {{S::kActive, E::kFailure}, S::kFailed},
                        {{S::kActive, E::kDeadline}, S::kExpired},
                        {{S::kActive, E::kNotHeld}, S::kLost},
                        {{S::kActive, E::kWorkerLost}, S::kRevoked},
                        {{S::kActive, E::kOvertaken}, S::kSuperseded}});
  expect_reachable<LeaseLifecycle>({S::kActive});
}

TEST(Tables, Group) {
  using S = GroupState;
  using E = GroupEvent;
  walk<GroupLifecycle>({{{S::kPlanned, E::kGrantRollout}, S::kRolloutLeased},
                        {{S::kPlanned, E::kRolloutResult}, S::kSampled},
                        {{S::kRolloutLeased, E::kRolloutLost}, S::kPlanned},
                        {{S::kRolloutLeased, E::kRolloutResult}, S::kSampled},
                        {{S::kSampled, E::kGrantReward}, S::kRewardLeased},
                        {{S::kSampled, E::kRewardResult}, S::kScored},
                        {{S::kRewardLeased, E::kRewardLost}, S::kSampled},
                        {{S::kRewardLeased, E::kRewardResult}, S::kScored},
                        {{S::kScored, E::kBatch}, S::kBatched},
                        {{S::kBatched, E::kTrain}, S::kTrained}});
  expect_reachable<GroupLifecycle>({S::kPlanned});
}

TEST(Tables, Batch) {
  using S = BatchState;
  using E = BatchEvent;
  walk<BatchLifecycle>({{{S::kCollecting, E::kComplete}, S::kReady},
                        {{S::kReady, E::kSend}, S::kSent},
                        {{S::kReady, E::kRecovered}, S::kTrained},
                        {{S::kSent, E::kResend}, S::kSent},
                        {{S::kSent, E::kLearnerLost}, S::kReady},
                        {{S::kSent, E::kStepDone}, S::kTrained},
                        {{S::kTrained, E::kSend}, S::kReplaying},
                        {{S::kTrained, E::kStepDone}, S::kTrained},
                        {{S::kReplaying, E::kResend}, S::kReplaying},
                        {{S::kReplaying, E::kLearnerLost}, S::kTrained},
                        {{S::kReplaying, E::kStepDone}, S::kTrained}});
  expect_reachable<BatchLifecycle>({S::kCollecting});
}

TEST(Tables, Checkpoint) {
  using S = CheckpointState;
  using E = CheckpointEvent;
  walk<CheckpointLifecycle>({{{S::kSaved, E::kStepTrained}, S::kBehind},
                             {{S::kSaved, E::kRequest}, S::kSaved},
                             {{S::kSaved, E::kCommitKnown}, S::kSaved},
                             {{S::kSaved, E::kLearnerLost}, S::kSaved},
                             {{S::kBehind, E::kStepTrained}, S::kBehind},
                             {{S::kBehind, E::kRequest}, S::kRequested},
                             {{S::kBehind, E::kCommitNewest}, S::kSaved},
                             {{S::kBehind, E::kCommitOlder}, S::kBehind},
                             {{S::kBehind, E::kCommitKnown}, S::kBehind},
                             {{S::kBehind, E::kLearnerLost}, S::kBehind},
                             {{S::kRequested, E::kStepTrained}, S::kRequested},
                             {{S::kRequested, E::kRequest}, S::kRequested},
                             {{S::kRequested, E::kCommitNewest}, S::kSaved},
                             {{S::kRequested, E::kCommitOlder}, S::kRequested},
                             {{S::kRequested, E::kCommitKnown}, S::kRequested},
                             {{S::kRequested, E::kLearnerLost}, S::kBehind}});
  expect_reachable<CheckpointLifecycle>({S::kSaved});
}

TEST(Tables, Learner) {
  using S = LearnerState;
  using E = LearnerEvent;
  walk<LearnerLifecycle>({{{S::kAbsent, E::kHelloFresh}, S::kLoading},
                          {{S::kAbsent, E::kHelloRunning}, S::kIdle},
                          {{S::kAbsent, E::kHelloAhead}, S::kTraining},
                          {{S::kLoading, E::kWeightsReady}, S::kIdle},
                          {{S::kLoading, E::kLost}, S::kAbsent},
                          {{S::kLoading, E::kStuck}, S::kAbsent},
                          {{S::kIdle, E::kWeightsReady}, S::kIdle},
                          {{S::kIdle, E::kBatchSent}, S::kTraining},
                          {{S::kIdle, E::kLost}, S::kAbsent},
                          {{S::kIdle, E::kStuck}, S::kAbsent},
                          {{S::kTraining, E::kWeightsReady}, S::kTraining},
                          {{S::kTraining, E::kStepDone}, S::kIdle},
                          {{S::kTraining, E::kLost}, S::kAbsent},
                          {{S::kTraining, E::kStuck}, S::kAbsent}});
  expect_reachable<LearnerLifecycle>({S::kAbsent});
}

TEST(LeaseTable, ProgressRenewsAndIdsAreNeverReused) {
  LeaseTable first_life(1), second_life(2);
  const Lease lease = first_life.grant(LeaseKind::kRollout, GroupId(5), "w", 1000, 500);
  EXPECT_TRUE(first_life.overdue(1499).empty());
  first_life.progress(lease.id, 1, 1400, 500);
  EXPECT_TRUE(first_life.overdue(1899).empty());
  first_life.progress(lease.id, 1, 1800, 500);  // no growth: no renewal
  EXPECT_EQ(first_life.overdue(1900), std::vector<LeaseId>{lease.id});
  ReasonCounts counts;
  first_life.end(lease.id, LeaseEvent::kDeadline, counts);
  EXPECT_EQ(counts.at("lease/expired"), 1u);
  EXPECT_EQ(first_life.ended(lease.id), LeaseState::kExpired);
  EXPECT_EQ(first_life.active(lease.id), nullptr);
  const Lease other = second_life.grant(LeaseKind::kRollout, GroupId(5), "w", 0, 1);
  EXPECT_NE(other.id, lease.id);
  EXPECT_FALSE(second_life.of_this_life(lease.id));
}

TEST(WorkerTable, PicksTheLeastLoadedAndRespectsSlots) {
  WorkerTable table;
  ReasonCounts counts;
  protocol::Hello hello;
  hello.role = protocol::Role::kRollout;
  hello.slots = 2;
  hello.name = "a";
  table.hello("a#1", hello, WorkerEpoch(1), 0, counts);
  hello.name = "b";
  table.hello("b#1", hello, WorkerEpoch(1), 0, counts);
  const auto any = [](const Worker&) { return true; };
  std::vector<std::string> order;
  for (uint64_t i = 1; i <= 4; ++i) {
    Worker* worker = table.pick(protocol::Role::kRollout, any);
    ASSERT_NE(worker, nullptr);
    order.push_back(worker->name);
    table.add_lease(*worker, LeaseId(i));
  }
  EXPECT_EQ(order, (std::vector<std::string>{"a", "b", "a", "b"}));
  EXPECT_EQ(table.pick(protocol::Role::kRollout, any), nullptr);
  table.remove_lease(*table.find("b#1"), LeaseId(2));
  EXPECT_EQ(table.pick(protocol::Role::kRollout, any)->name, "b");
  EXPECT_TRUE(table.apply(*table.find("b#1"), WorkerEvent::kSilence, counts));
  EXPECT_EQ(table.pick(protocol::Role::kRollout, any), nullptr);
  EXPECT_EQ(table.live(protocol::Role::kRollout), 1u);
}

}  // namespace
}  // namespace prosodia::core
