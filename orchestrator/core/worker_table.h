// Workers as the coordinator sees them.
//
// | state     | event     | next      | reason counter / effect                                  |
// |-----------|-----------|-----------|----------------------------------------------------------|
// | (unknown) | kHello    | kLive     |                                                          |
// | kLive     | kTraffic  | kLive     | last_heard moves on                                      |
// | kLive     | kHello    | kLive     | a repeated Hello                                         |
// | kLive     | kSilence  | kDead     | workers_lost; its leases are revoked                     |
// | kLive     | kGoodbye  | kGone     | its leases are revoked                                   |
// | kLive     | kReplaced | kFenced   | a newer process says Hello under its name                |
// | kDead     | kHello    | kLive     | it was only slow                                         |
// | kDead     | kReplaced | kFenced   |                                                          |
// | kGone     | kHello    | kLive     | (a Goodbye that overtook nothing: reordered)             |
// Anything else, from a peer, is refused (HelloRequest, or Refused kStaleEpoch when fenced).
//
// Thread rule: single thread. Failure rule: transitions that we would cause ourselves abort.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "data/base/ids.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::core {

enum class WorkerState : uint8_t { kLive, kDead, kGone, kFenced };
enum class WorkerEvent : uint8_t { kHello, kTraffic, kSilence, kGoodbye, kReplaced };
std::optional<WorkerState> next_state(WorkerState state, WorkerEvent event);

struct Worker {
  std::string peer;  // routing id: name#epoch
  std::string name;
  WorkerEpoch epoch;
  protocol::Role role = protocol::Role::kRollout;
  WorkerState state = WorkerState::kLive;
  uint32_t slots = 1;
  int64_t last_heard_ms = 0;
  std::set<LeaseId> leases;  // active
};

class WorkerTable {
 public:
  // Adds or revives. The name must not belong to another live worker (see by_name).
  Worker& hello(const std::string& peer, const protocol::Hello& hello, WorkerEpoch epoch, int64_t now_ms);
  Worker* find(const std::string& peer);
  Worker* by_name(const std::string& name);       // the one that said Hello last under this name, in whatever state
  bool apply(Worker& worker, WorkerEvent event);  // false when the pair is not in the table

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
  // Drops dead, gone and fenced entries not heard of since `before_ms`, so that restarts do not grow the table.
  void forget_ended(int64_t before_ms);

 private:
  void index(const Worker& worker);
  void unindex(const Worker& worker);

  std::map<std::string, Worker> workers_;                                    // by peer
  std::map<std::string, std::string> by_name_;                               // name -> peer
  std::map<protocol::Role, std::set<std::pair<size_t, std::string>>> free_;  // (leases in use, peer)
};

}  // namespace prosodia::core
