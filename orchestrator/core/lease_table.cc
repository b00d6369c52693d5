#include "orchestrator/core/lease_table.h"

#include "data/base/check.h"

namespace prosodia::core {
namespace {
constexpr size_t kEndedKept = 65'536;
}

const Lease& LeaseTable::grant(LeaseKind kind, GroupId group, const std::string& peer, int64_t now_ms,
                               int64_t duration_ms) {
  const LeaseId id = next_id();
  const bool is_first = by_group_.emplace(std::pair(kind, group), id).second;
  PROSODIA_CHECK(is_first, "group {} has an active lease", group);
  return active_.emplace(id, Lease{id, kind, group, peer, now_ms, now_ms + duration_ms, 0}).first->second;
}

const Lease* LeaseTable::active(LeaseId id) const {
  const auto it = active_.find(id);
  return it == active_.end() ? nullptr : &it->second;
}

const Lease* LeaseTable::active_for(LeaseKind kind, GroupId group) const {
  const auto it = by_group_.find({kind, group});
  return it == by_group_.end() ? nullptr : active(it->second);
}

bool LeaseTable::progress(LeaseId id, uint64_t counter, int64_t now_ms, int64_t duration_ms) {
  const auto it = active_.find(id);
  if (it == active_.end() || counter <= it->second.progress) return false;
  it->second.progress = counter;
  it->second.deadline_ms = now_ms + duration_ms;
  return true;
}

Lease LeaseTable::end(LeaseId id, LeaseEvent event, ReasonCounts& counts) {
  const auto it = active_.find(id);
  PROSODIA_CHECK(it != active_.end(), "lease {} is not active", id);
  Lease lease = std::move(it->second);
  active_.erase(it);
  by_group_.erase({lease.kind, lease.group});
  LeaseState state = LeaseState::kActive;
  must_advance<LeaseLifecycle>(state, event, counts);
  ended_.emplace(id, state);
  ended_order_.push_back(id);
  if (ended_order_.size() > kEndedKept) {
    ended_.erase(ended_order_.front());
    ended_order_.pop_front();
  }
  return lease;
}

std::optional<LeaseState> LeaseTable::ended(LeaseId id) const {
  const auto it = ended_.find(id);
  return it == ended_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<LeaseId> LeaseTable::overdue(int64_t now_ms) const {
  std::vector<LeaseId> ids;
  for (const auto& [id, lease] : active_) {
    if (lease.deadline_ms <= now_ms) ids.push_back(id);
  }
  return ids;
}

}  // namespace prosodia::core
