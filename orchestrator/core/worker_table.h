// Workers as the coordinator sees them: one entry a process. The lifecycle is WorkerLifecycle::kTable below. A frame of
// a process that is not live is refused: HelloRequest when it is dead or gone (it was only slow), Refused(kStaleEpoch)
// when it is wedged or fenced: it must exit.
//
// Thread rule: single thread. Failure rule: transitions that we would cause ourselves abort.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "data/base/ids.h"
#include "orchestrator/core/lifecycle.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::core {

enum class WorkerState : uint8_t { kLive, kDead, kGone, kWedged, kFenced };
enum class WorkerEvent : uint8_t { kHello, kTraffic, kGoodbye, kSilence, kReplaced, kStuck, kOverdue };

struct WorkerLifecycle {
  using State = WorkerState;
  using Event = WorkerEvent;
  static constexpr std::string_view kName = "worker";
  static constexpr std::array<std::string_view, 5> kStates = {"live", "dead", "gone", "wedged", "fenced"};
  static constexpr std::array<EventInfo, 7> kEvents = {
      {{"hello", Cause::kPeer},
       {"traffic", Cause::kPeer},
       {"goodbye", Cause::kPeer},
       {"silence", Cause::kUs},    // missed_heartbeats periods without a frame
       {"replaced", Cause::kUs},   // a newer process says Hello under its name
       {"stuck", Cause::kUs},      // heartbeats come, but its work stands still past the lease
       {"overdue", Cause::kUs}}};  // silent for as long as that, and nobody took its place
  static constexpr Transition<State, Event> kTable[] = {
      // state        event               next             reason             its leases are revoked when it leaves
      // kLive
      {State::kLive, Event::kHello, State::kLive, "hello_again"},
      {State::kLive, Event::kTraffic, State::kLive, ""},
      {State::kLive, Event::kGoodbye, State::kGone, "left"},
      {State::kLive, Event::kSilence, State::kDead, "lost"},
      {State::kLive, Event::kReplaced, State::kFenced, "fenced"},
      {State::kLive, Event::kStuck, State::kWedged, "wedged"},  // told to exit, its supervisor is told to end it
      {State::kDead, Event::kHello, State::kLive, "came_back"},
      {State::kDead, Event::kReplaced, State::kFenced, "fenced"},
      {State::kDead, Event::kOverdue, State::kWedged, "overdue"},  // its supervisor is told to end it
      {State::kGone, Event::kHello, State::kLive, "came_back"},    // its Goodbye was overtaken
      {State::kWedged, Event::kReplaced, State::kFenced, "fenced"},
  };
};

struct Worker {
  std::string peer;  // routing id: name#epoch
  std::string name;
  WorkerEpoch epoch;
  protocol::Role role = protocol::Role::kRollout;
  WorkerState state = WorkerState::kLive;
  uint32_t slots = 1;
  int64_t last_heard_ms = 0;
  int64_t last_progress_ms = 0;  // work moved on, a result came, or it had nothing to do
  std::set<LeaseId> leases;      // active
};

class WorkerTable {
 public:
  // Adds or revives. The name must not belong to another live worker (see by_name).
  // nullptr: the process is wedged or fenced, the Hello is refused and counted.
  Worker* hello(const std::string& peer, const protocol::Hello& hello, WorkerEpoch epoch, int64_t now_ms,
                ReasonCounts& counts);
  Worker* find(const std::string& peer);
  Worker* by_name(const std::string& name);  // the one that said Hello last under this name, in whatever state
  bool apply(Worker& worker, WorkerEvent event, ReasonCounts& counts);  // as advance()

  // A live worker of `role` with a free slot, least loaded first; `accept` may refuse candidates.
  template <class F>
  Worker* pick(protocol::Role role, F&& accept) {
    for (const auto& [used, peer] : free_[role]) {
      Worker& worker = workers_.at(peer);
      if (accept(worker)) return &worker;
    }
    return nullptr;
  }
  void add_lease(Worker& worker, LeaseId lease);
  void remove_lease(Worker& worker, LeaseId lease);

  uint64_t live(protocol::Role role) const;
  std::map<std::string, Worker>& all() { return workers_; }
  const std::map<std::string, Worker>& all() const { return workers_; }
  // Drops gone, wedged and fenced entries not heard of since `before_ms`, so that restarts do not grow the table.
  void forget_ended(int64_t before_ms);

 private:
  void index(const Worker& worker);
  void unindex(const Worker& worker);

  std::map<std::string, Worker> workers_;                                    // by peer
  std::map<std::string, std::string> by_name_;                               // name -> peer
  std::map<protocol::Role, std::set<std::pair<size_t, std::string>>> free_;  // (leases in use, peer)
};

}  // namespace prosodia::core
