#include "orchestrator/core/worker_table.h"

#include <algorithm>

#include "data/base/check.h"

namespace prosodia::core {

Worker* WorkerTable::hello(const std::string& peer, const protocol::Hello& hello, WorkerEpoch epoch, int64_t now_ms,
                           ReasonCounts& counts) {
  auto [it, is_new] = workers_.try_emplace(peer);
  Worker& worker = it->second;
  if (is_new || worker.state != WorkerState::kLive) worker.last_progress_ms = now_ms;  // saying Hello again is no work
  if (!is_new) {
    unindex(worker);
    if (!advance<WorkerLifecycle>(worker.state, WorkerEvent::kHello, counts)) return nullptr;
  }
  worker.peer = peer;
  worker.name = hello.name;
  worker.epoch = epoch;
  worker.role = hello.role;
  worker.slots = hello.slots;
  worker.last_heard_ms = now_ms;
  by_name_[worker.name] = peer;
  index(worker);
  return &worker;
}

Worker* WorkerTable::find(const std::string& peer) {
  const auto it = workers_.find(peer);
  return it == workers_.end() ? nullptr : &it->second;
}

Worker* WorkerTable::by_name(const std::string& name) {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : find(it->second);
}

bool WorkerTable::apply(Worker& worker, WorkerEvent event, ReasonCounts& counts) {
  WorkerState next = worker.state;
  if (!advance<WorkerLifecycle>(next, event, counts)) return false;
  if (next == worker.state) return true;  // most of the traffic
  unindex(worker);
  worker.state = next;
  index(worker);
  return true;
}

void WorkerTable::add_lease(Worker& worker, LeaseId lease) {
  unindex(worker);
  worker.leases.insert(lease);
  index(worker);
}

void WorkerTable::remove_lease(Worker& worker, LeaseId lease) {
  unindex(worker);
  worker.leases.erase(lease);
  index(worker);
}

uint64_t WorkerTable::live(protocol::Role role) const {
  return static_cast<uint64_t>(std::count_if(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return entry.second.role == role && entry.second.state == WorkerState::kLive;
  }));
}

void WorkerTable::forget_ended(int64_t before_ms) {
  for (auto it = workers_.begin(); it != workers_.end();) {
    const Worker& worker = it->second;
    const bool may_return = worker.state == WorkerState::kLive || worker.state == WorkerState::kDead;
    if (may_return || worker.last_heard_ms >= before_ms) {
      ++it;
      continue;
    }
    const auto named = by_name_.find(worker.name);
    if (named != by_name_.end() && named->second == worker.peer) by_name_.erase(named);
    it = workers_.erase(it);
  }
}

void WorkerTable::index(const Worker& worker) {
  if (worker.state == WorkerState::kLive && worker.leases.size() < worker.slots) {
    free_[worker.role].emplace(worker.leases.size(), worker.peer);
  }
}

void WorkerTable::unindex(const Worker& worker) { free_[worker.role].erase({worker.leases.size(), worker.peer}); }

}  // namespace prosodia::core
