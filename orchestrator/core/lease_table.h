// Leases: one group, one worker, one task, until a deadline that progress renews. The lifecycle is
// LeaseLifecycle::kTable below. Nothing leaves an ended state. A result for one is acknowledged again when it is the
// one that was accepted (kCompleted), and refused and counted otherwise.
//
// Lease ids are (coordinator life << 32) + counter, so they are never reused. Thread rule: single thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/base/ids.h"
#include "orchestrator/core/lifecycle.h"

namespace prosodia::core {

enum class LeaseState : uint8_t { kActive, kCompleted, kFailed, kExpired, kLost, kRevoked, kSuperseded };
enum class LeaseEvent : uint8_t { kResult, kFailure, kDeadline, kNotHeld, kWorkerLost, kOvertaken };

struct LeaseLifecycle {
  using State = LeaseState;
  using Event = LeaseEvent;
  static constexpr std::string_view kName = "lease";
  static constexpr std::array<std::string_view, 7> kStates = {"active", "completed", "failed",    "expired",
                                                              "lost",   "revoked",   "superseded"};
  // Events reach only active leases: results for ended ones are settled by RunCore::admit.
  static constexpr std::array<EventInfo, 6> kEvents = {{{"result", Cause::kUs},
                                                        {"failure", Cause::kUs},
                                                        {"deadline", Cause::kUs},
                                                        {"not_held", Cause::kUs},
                                                        {"worker_lost", Cause::kUs},
                                                        {"overtaken", Cause::kUs}}};
  static constexpr Transition<State, Event> kTable[] = {
      // state          event                next                 reason            the group
      {State::kActive, Event::kResult, State::kCompleted, ""},                // moves on
      {State::kActive, Event::kFailure, State::kFailed, "failed"},            // is queued again, a try is counted
      {State::kActive, Event::kDeadline, State::kExpired, "expired"},         // is queued again
      {State::kActive, Event::kNotHeld, State::kLost, "lost"},                // is queued again: it never arrived
      {State::kActive, Event::kWorkerLost, State::kRevoked, "revoked"},       // is queued again
      {State::kActive, Event::kOvertaken, State::kSuperseded, "superseded"},  // has a result from elsewhere
  };
};

enum class LeaseKind : uint8_t { kRollout, kReward };

struct Lease {
  LeaseId id;
  LeaseKind kind = LeaseKind::kRollout;
  GroupId group;
  std::string peer;
  int64_t granted_ms = 0;
  int64_t deadline_ms = 0;
  uint64_t progress = 0;
};

class LeaseTable {
 public:
  explicit LeaseTable(uint64_t life) : life_(life) {}

  LeaseId next_id() { return LeaseId((life_ << 32) + ++counter_); }
  bool of_this_life(LeaseId id) const { return (id.value >> 32) == life_; }

  const Lease& grant(LeaseKind kind, GroupId group, const std::string& peer, int64_t now_ms, int64_t duration_ms);
  const Lease* active(LeaseId id) const;
  const Lease* active_for(LeaseKind kind, GroupId group) const;
  // True when the counter grew.
  bool progress(LeaseId id, uint64_t counter, int64_t now_ms, int64_t duration_ms);
  // Ends an active lease and returns it.
  Lease end(LeaseId id, LeaseEvent event, ReasonCounts& counts);
  // State of an ended lease while it is remembered (the last 65,536).
  std::optional<LeaseState> ended(LeaseId id) const;
  std::vector<LeaseId> overdue(int64_t now_ms) const;  // in id order
  size_t active_count() const { return active_.size(); }

 private:
  uint64_t life_;
  uint64_t counter_ = 0;
  std::map<LeaseId, Lease> active_;
  std::map<std::pair<LeaseKind, GroupId>, LeaseId> by_group_;
  std::unordered_map<LeaseId, LeaseState> ended_;
  std::deque<LeaseId> ended_order_;
};

}  // namespace prosodia::core
