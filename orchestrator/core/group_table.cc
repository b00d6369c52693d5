#include "orchestrator/core/group_table.h"

#include "data/base/check.h"

namespace prosodia::core {

std::optional<GroupState> next_state(GroupState state, GroupEvent event) {
  using S = GroupState;
  using E = GroupEvent;
  switch (state) {
    case S::kPlanned:
      if (event == E::kGrantRollout) return S::kRolloutLeased;
      if (event == E::kRolloutResult) return S::kSampled;
      break;
    case S::kRolloutLeased:
      if (event == E::kRolloutLost) return S::kPlanned;
      if (event == E::kRolloutResult) return S::kSampled;
      break;
    case S::kSampled:
      if (event == E::kGrantReward) return S::kRewardLeased;
      if (event == E::kRewardResult) return S::kScored;
      break;
    case S::kRewardLeased:
      if (event == E::kRewardLost) return S::kSampled;
      if (event == E::kRewardResult) return S::kScored;
      break;
    case S::kScored:
      if (event == E::kBatch) return S::kBatched;
      break;
    case S::kBatched:
      if (event == E::kTrain) return S::kTrained;
      break;
    case S::kTrained:
      break;
  }
  return std::nullopt;
}

std::string_view name(GroupState state) {
  switch (state) {
    case GroupState::kPlanned:
      return "planned";
    case GroupState::kRolloutLeased:
      return "rollout leased";
    case GroupState::kSampled:
      return "sampled";
    case GroupState::kRewardLeased:
      return "reward leased";
    case GroupState::kScored:
      return "scored";
    case GroupState::kBatched:
      return "batched";
    case GroupState::kTrained:
      return "trained";
  }
  return "unknown";
}

Group& GroupTable::add(GroupId id) {
  auto [it, is_new] = groups_.try_emplace(id);
  PROSODIA_CHECK(is_new, "group {} twice", id);
  it->second.id = id;
  planned_.insert(id);
  return it->second;
}

Group* GroupTable::find(GroupId id) {
  const auto it = groups_.find(id);
  return it == groups_.end() ? nullptr : &it->second;
}

const Group* GroupTable::find(GroupId id) const {
  const auto it = groups_.find(id);
  return it == groups_.end() ? nullptr : &it->second;
}

void GroupTable::apply(Group& group, GroupEvent event) {
  const auto next = next_state(group.state, event);
  PROSODIA_CHECK(next.has_value(), "group {} is {}: event {}", group.id, name(group.state), static_cast<int>(event));
  planned_.erase(group.id);
  sampled_.erase(group.id);
  group.state = *next;
  if (group.state == GroupState::kPlanned) planned_.insert(group.id);
  if (group.state == GroupState::kSampled) sampled_.insert(group.id);
}

void GroupTable::erase_before(GroupId end) {
  for (auto it = groups_.begin(); it != groups_.end() && it->first < end;) {
    PROSODIA_CHECK(it->second.state == GroupState::kTrained, "group {} is {}", it->first, name(it->second.state));
    it = groups_.erase(it);
  }
}

void GroupTable::restore(Group group) {
  PROSODIA_CHECK(group.state == GroupState::kTrained, "only trained groups are read back");
  const GroupId id = group.id;
  groups_.insert_or_assign(id, std::move(group));
}

}  // namespace prosodia::core
