#include "orchestrator/core/group_table.h"

#include "data/base/check.h"

namespace prosodia::core {

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

void GroupTable::apply(Group& group, GroupEvent event, ReasonCounts& counts) {
  planned_.erase(group.id);
  sampled_.erase(group.id);
  must_advance<GroupLifecycle>(group.state, event, counts);
  if (group.state == GroupState::kPlanned) planned_.insert(group.id);
  if (group.state == GroupState::kSampled) sampled_.insert(group.id);
}

void GroupTable::erase_before(GroupId end) {
  for (auto it = groups_.begin(); it != groups_.end() && it->first < end;) {
    PROSODIA_CHECK(it->second.state == GroupState::kTrained, "group {} is {}", it->first, name(it->second.state));
    it = groups_.erase(it);
  }
}

std::array<uint64_t, GroupLifecycle::kStates.size()> GroupTable::counts() const {
  std::array<uint64_t, GroupLifecycle::kStates.size()> counts{};
  for (const auto& [id, group] : groups_) ++counts[static_cast<size_t>(group.state)];
  return counts;
}

void GroupTable::restore(Group group) {
  PROSODIA_CHECK(group.state == GroupState::kTrained, "only trained groups are read back");
  const GroupId id = group.id;
  groups_.insert_or_assign(id, std::move(group));
}

}  // namespace prosodia::core
