// The transition tables of the headers, every state x event: what is listed happens, what is not does not.
#include <gtest/gtest.h>

#include "orchestrator/core/group_table.h"
#include "orchestrator/core/learner_state.h"
#include "orchestrator/core/lease_table.h"
#include "orchestrator/core/worker_table.h"

namespace prosodia::core {
namespace {

template <class State, class Event>
void expect_table(const std::map<std::pair<State, Event>, State>& table, int states, int events) {
  for (int s = 0; s < states; ++s) {
    for (int e = 0; e < events; ++e) {
      const auto state = static_cast<State>(s);
      const auto event = static_cast<Event>(e);
      const auto listed = table.find({state, event});
      const auto next = next_state(state, event);
      ASSERT_EQ(next.has_value(), listed != table.end()) << "state " << s << " event " << e;
      if (next) {
        EXPECT_EQ(*next, listed->second) << "state " << s << " event " << e;
      }
    }
  }
}

TEST(Tables, Worker) {
  using S = WorkerState;
  using E = WorkerEvent;
  expect_table<S, E>({{{S::kLive, E::kHello}, S::kLive},
                      {{S::kLive, E::kTraffic}, S::kLive},
                      {{S::kLive, E::kSilence}, S::kDead},
                      {{S::kLive, E::kGoodbye}, S::kGone},
                      {{S::kLive, E::kReplaced}, S::kFenced},
                      {{S::kDead, E::kHello}, S::kLive},
                      {{S::kDead, E::kReplaced}, S::kFenced},
                      {{S::kGone, E::kHello}, S::kLive}},
                     4, 5);
}

TEST(Tables, Lease) {
  using S = LeaseState;
  using E = LeaseEvent;
  expect_table<S, E>({{{S::kActive, E::kResult}, S::kCompleted},
                      {{S::kActive, E::kFailure}, S::kFailed},
                      {{S::kActive, E::kDeadline}, S::kExpired},
                      {{S::kActive, E::kNotHeld}, S::kLost},
                      {{S::kActive, E::kWorkerLost}, S::kRevoked},
                      {{S::kActive, E::kOvertaken}, S::kSuperseded}},
                     7, 6);
}

TEST(Tables, Group) {
  using S = GroupState;
  using E = GroupEvent;
  expect_table<S, E>({{{S::kPlanned, E::kGrantRollout}, S::kRolloutLeased},
                      {{S::kPlanned, E::kRolloutResult}, S::kSampled},
                      {{S::kRolloutLeased, E::kRolloutLost}, S::kPlanned},
                      {{S::kRolloutLeased, E::kRolloutResult}, S::kSampled},
                      {{S::kSampled, E::kGrantReward}, S::kRewardLeased},
                      {{S::kSampled, E::kRewardResult}, S::kScored},
                      {{S::kRewardLeased, E::kRewardLost}, S::kSampled},
                      {{S::kRewardLeased, E::kRewardResult}, S::kScored},
                      {{S::kScored, E::kBatch}, S::kBatched},
                      {{S::kBatched, E::kTrain}, S::kTrained}},
                     7, 8);
}

TEST(Tables, Learner) {
  using S = LearnerState;
  using E = LearnerEvent;
  expect_table<S, E>({{{S::kAbsent, E::kHelloFresh}, S::kLoading},
                      {{S::kAbsent, E::kHelloRunning}, S::kIdle},
                      {{S::kAbsent, E::kHelloAhead}, S::kTraining},
                      {{S::kLoading, E::kWeightsReady}, S::kIdle},
                      {{S::kIdle, E::kBatchSent}, S::kTraining},
                      {{S::kIdle, E::kStepDone}, S::kIdle},
                      {{S::kTraining, E::kStepDone}, S::kIdle},
                      {{S::kLoading, E::kLost}, S::kAbsent},
                      {{S::kIdle, E::kLost}, S::kAbsent},
                      {{S::kTraining, E::kLost}, S::kAbsent}},
                     4, 6);
}

TEST(LeaseTable, ProgressRenewsAndIdsAreNeverReused) {
  LeaseTable first_life(1), second_life(2);
  const Lease lease = first_life.grant(LeaseKind::kRollout, GroupId(5), "w", 1000, 500);
  EXPECT_TRUE(first_life.overdue(1499).empty());
  first_life.progress(lease.id, 1, 1400, 500);
  EXPECT_TRUE(first_life.overdue(1899).empty());
  first_life.progress(lease.id, 1, 1800, 500);  // no growth: no renewal
  EXPECT_EQ(first_life.overdue(1900), std::vector<LeaseId>{lease.id});
  first_life.end(lease.id, LeaseEvent::kDeadline);
  EXPECT_EQ(first_life.ended(lease.id), LeaseState::kExpired);
  EXPECT_EQ(first_life.active(lease.id), nullptr);
  const Lease other = second_life.grant(LeaseKind::kRollout, GroupId(5), "w", 0, 1);
  EXPECT_NE(other.id, lease.id);
  EXPECT_FALSE(second_life.of_this_life(lease.id));
}

TEST(WorkerTable, PicksTheLeastLoadedAndRespectsSlots) {
  WorkerTable table;
  protocol::Hello hello;
  hello.role = protocol::Role::kRollout;
  hello.slots = 2;
  hello.name = "a";
  table.hello("a#1", hello, WorkerEpoch(1), 0);
  hello.name = "b";
  table.hello("b#1", hello, WorkerEpoch(1), 0);
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
  table.apply(*table.find("b#1"), WorkerEvent::kSilence);
  EXPECT_EQ(table.pick(protocol::Role::kRollout, any), nullptr);
  EXPECT_EQ(table.live(protocol::Role::kRollout), 1u);
}

}  // namespace
}  // namespace prosodia::core
