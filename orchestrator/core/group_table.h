// Groups: one prompt's K responses in one step, from plan to trained. The lifecycle is GroupLifecycle::kTable below. A
// result for a group that has it already is refused as a duplicate before it gets here (RunCore::admit); so every event
// is ours, and an unlisted pair is our own bug and aborts.
//
// Thread rule: single thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "data/base/ids.h"
#include "orchestrator/core/lifecycle.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::core {

enum class GroupState : uint8_t { kPlanned, kRolloutLeased, kSampled, kRewardLeased, kScored, kBatched, kTrained };
enum class GroupEvent : uint8_t {
  kGrantRollout,
  kRolloutLost,
  kRolloutResult,
  kGrantReward,
  kRewardLost,
  kRewardResult,
  kBatch,
  kTrain
};

struct GroupLifecycle {
  using State = GroupState;
  using Event = GroupEvent;
  static constexpr std::string_view kName = "group";
  static constexpr std::array<std::string_view, 7> kStates = {"planned", "rollout leased", "sampled", "reward leased",
                                                              "scored",  "batched",        "trained"};
  static constexpr std::array<EventInfo, 8> kEvents = {{{"grant_rollout", Cause::kUs},
                                                        {"rollout_lost", Cause::kUs},
                                                        {"rollout_result", Cause::kUs},
                                                        {"grant_reward", Cause::kUs},
                                                        {"reward_lost", Cause::kUs},
                                                        {"reward_result", Cause::kUs},
                                                        {"batch", Cause::kUs},
                                                        {"train", Cause::kUs}}};
  static constexpr Transition<State, Event> kTable[] = {
      // state                event                   next                   reason   journaled before it shows
      {State::kPlanned, Event::kGrantRollout, State::kRolloutLeased, ""},
      {State::kPlanned, Event::kRolloutResult, State::kSampled, "late_rollout"},  // GroupSampled; replay, or of a lease
                                                                                  // before a restart
      {State::kRolloutLeased, Event::kRolloutLost, State::kPlanned, "rollout_requeued"},
      {State::kRolloutLeased, Event::kRolloutResult, State::kSampled, ""},  // GroupSampled
      {State::kSampled, Event::kGrantReward, State::kRewardLeased, ""},
      {State::kSampled, Event::kRewardResult, State::kScored, "late_reward"},  // GroupScored; as above, or out of tries
      {State::kRewardLeased, Event::kRewardLost, State::kSampled, "reward_requeued"},
      {State::kRewardLeased, Event::kRewardResult, State::kScored, ""},  // GroupScored
      {State::kScored, Event::kBatch, State::kBatched, ""},              // StepBatched
      {State::kBatched, Event::kTrain, State::kTrained, ""},             // StepTrained
  };
};
inline std::string_view name(GroupState state) { return name_of<GroupLifecycle>(state); }

struct Group {
  GroupId id;
  GroupState state = GroupState::kPlanned;
  int rollout_tries = 0;            // failures that the group itself may be the cause of
  int reward_tries = 0;             // … and results with scores missing
  int lost_leases = 0;              // expired, lost, revoked: workers' fault, or a prompt that kills workers
  int64_t not_before_ms = 0;        // back-off after a failure
  std::set<std::string> failed_on;  // worker names
  std::string last_failure;
  std::optional<protocol::RolloutResult> rollout;
  std::optional<protocol::RewardResult> reward;       // final
  std::optional<protocol::RewardResult> best_reward;  // the try with the most scores, while some are missing
};

class GroupTable {
 public:
  Group& add(GroupId id);  // kPlanned
  Group* find(GroupId id);
  const Group* find(GroupId id) const;
  void apply(Group& group, GroupEvent event, ReasonCounts& counts);  // aborts on an unlisted pair
  void erase_before(GroupId end);
  void restore(Group group);  // a trained group read back from the journal

  // Waiting for a lease, in id order.
  const std::set<GroupId>& planned() const { return planned_; }
  const std::set<GroupId>& sampled() const { return sampled_; }
  size_t size() const { return groups_.size(); }
  std::array<uint64_t, GroupLifecycle::kStates.size()> counts() const;  // by state

 private:
  std::map<GroupId, Group> groups_;
  std::set<GroupId> planned_, sampled_;
};

}  // namespace prosodia::core
