// Groups: one prompt's K responses in one step, from plan to trained.
//
// | state          | event          | next           | journaled before it shows                       |
// |----------------|----------------|----------------|-------------------------------------------------|
// | kPlanned       | kGrantRollout  | kRolloutLeased |                                                 |
// | kRolloutLeased | kRolloutLost   | kPlanned       |                                                 |
// | kRolloutLeased | kRolloutResult | kSampled       | GroupSampled                                    |
// | kPlanned       | kRolloutResult | kSampled       | GroupSampled (replay, or of a lease before a restart) |
// | kSampled       | kGrantReward   | kRewardLeased  |                                                 |
// | kRewardLeased  | kRewardLost    | kSampled       |                                                 |
// | kRewardLeased  | kRewardResult  | kScored        | GroupScored                                     |
// | kSampled       | kRewardResult  | kScored        | GroupScored (as above)                          |
// | kScored        | kBatch         | kBatched       | StepBatched                                     |
// | kBatched       | kTrain         | kTrained       | StepTrained                                     |
// A result for a group that has it already is refused as a duplicate; any other unlisted pair is our own bug and
// aborts.
//
// Thread rule: single thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "data/base/ids.h"
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
std::optional<GroupState> next_state(GroupState state, GroupEvent event);
std::string_view name(GroupState state);

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
  void apply(Group& group, GroupEvent event);  // aborts on an unlisted pair
  void erase_before(GroupId end);
  void restore(Group group);  // a trained group read back from the journal

  // Waiting for a lease, in id order.
  const std::set<GroupId>& planned() const { return planned_; }
  const std::set<GroupId>& sampled() const { return sampled_; }
  size_t size() const { return groups_.size(); }

 private:
  std::map<GroupId, Group> groups_;
  std::set<GroupId> planned_, sampled_;
};

}  // namespace prosodia::core
