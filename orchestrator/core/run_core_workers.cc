// RunCore: who is there. Hello, heartbeats, death, and what happens to the leases of those who left.
#include <algorithm>

#include "data/base/check.h"
#include "orchestrator/core/run_core_send.h"

namespace prosodia::core {

using namespace protocol;

namespace {
constexpr int64_t kForgetAfterPeriods = 100;
}

std::optional<Reject> RunCore::check_hello(const Hello& hello, std::optional<Role> key_role) {
  if (key_role && *key_role != hello.role) {
    ++counters_.foreign_hellos;
    return Reject{
        RejectCode::kForeignRole,
        fmt::format("{} says it is a {} worker; its key is that of the role {}: start it with --keys that has "
                    "the right key",
                    hello.name, name(hello.role), name(*key_role))};
  }
  if (hello.protocol_min > kProtocolMax || hello.protocol_max < kProtocolMin) {
    return Reject{RejectCode::kProtocolVersion,
                  fmt::format("{} speaks protocol {} to {}, the coordinator {} to {}: run the same release everywhere",
                              hello.name, hello.protocol_min, hello.protocol_max, kProtocolMin, kProtocolMax)};
  }
  if (hello.config_digest != options_.config_digest) {
    return Reject{RejectCode::kConfigDigest,
                  fmt::format("{} was started with configuration {}, the run has {}: start it with the run folder's "
                              "config.ini",
                              hello.name, hello.config_digest.short_hex(), options_.config_digest.short_hex())};
  }
  if (hello.name.empty() || hello.slots == 0 || hello.slots > Limits::kLeases) {
    return Reject{RejectCode::kBadHello,
                  fmt::format("name '{}' with {} slots: expected a name and at least 1 slot", hello.name, hello.slots)};
  }
  // A name decides who is replaced by whom, so it must not reach across roles.
  if (const Worker* namesake = workers_.by_name(hello.name);
      namesake != nullptr && namesake->state == WorkerState::kLive && namesake->role != hello.role) {
    return Reject{RejectCode::kNameTaken,
                  fmt::format("{} is the name of a {} worker", hello.name, name(namesake->role))};
  }
  if (workers_.all().size() >= options_.max_workers) {
    return Reject{RejectCode::kFull, fmt::format("{} workers are known already", workers_.all().size())};
  }
  return std::nullopt;
}

void RunCore::on_hello(const std::string& peer, const FrameView& frame, int64_t now_ms, std::optional<Role> key_role) {
  // The two versions lead every Hello; a release whose other fields we cannot read still gets the right reason.
  const auto hello = decode<Hello>(frame.payload);
  if (!hello) {
    ++counters_.hellos_rejected;
    send(peer, Reject{RejectCode::kProtocolVersion, fmt::format("{}; this coordinator speaks protocol {} to {}",
                                                                hello.error().message, kProtocolMin, kProtocolMax)});
    return;
  }
  if (const auto reject = check_hello(*hello, key_role)) {
    ++counters_.hellos_rejected;
    send(peer, *reject);
    return;
  }
  Worker* known = workers_.find(peer);
  if (known != nullptr && (known->state == WorkerState::kWedged || known->state == WorkerState::kFenced)) {
    return refuse_fenced(*known, WorkerEvent::kHello, frame.header);
  }
  replace_namesake(*hello, peer);
  hello_asked_ms_.erase(peer);
  missing_since_ms_.erase(hello->name);
  Worker& worker = *workers_.hello(peer, *hello, frame.header.sender_epoch, now_ms, counters_.reasons);
  if (worker.role == Role::kLearner) {
    on_learner_hello(worker, *hello, now_ms);
  } else {
    welcome(worker, PolicyVersion(0));
  }
}

// A frame of a process that is not live any more. Dead and gone ones may come back, the others must exit.
void RunCore::refuse_fenced(Worker& worker, WorkerEvent event, const FrameHeader& header) {
  PROSODIA_CHECK(!workers_.apply(worker, event, counters_.reasons), "{} is {}", worker.peer,
                 name_of<WorkerLifecycle>(worker.state));
  if (worker.state == WorkerState::kFenced) {
    refuse(worker, header, RefusalReason::kStaleEpoch, fmt::format("a newer process runs as {}", worker.name));
  } else if (worker.state == WorkerState::kWedged) {
    refuse(worker, header, RefusalReason::kStaleEpoch,
           fmt::format("{} made no progress for {} s and was fenced: end this process, a new one may take its place",
                       worker.name, stall_ms(worker.role) / 1000));
  }
}

void RunCore::replace_namesake(const Hello& hello, const std::string& peer) {
  Worker* old = workers_.by_name(hello.name);
  // One learner at a time, whatever it is called.
  if (hello.role == Role::kLearner && learner_.state != LearnerState::kAbsent && learner_.peer != peer) {
    old = workers_.find(learner_.peer);
  }
  if (old == nullptr || old->peer == peer) return;
  if (find_transition<WorkerLifecycle>(old->state, WorkerEvent::kReplaced) == nullptr) return;
  ++counters_.workers_fenced;
  lose_worker(*old, WorkerEvent::kReplaced, old->last_heard_ms);
}

void RunCore::welcome(const Worker& worker, PolicyVersion resume) {
  Welcome welcome;
  welcome.run_id = run_id_;
  welcome.protocol = kProtocolMax;
  welcome.heartbeat_ms = options_.heartbeat_ms;
  welcome.life = life_;
  welcome.resume_version = resume;
  send(worker.peer, welcome);
}

void RunCore::on_heartbeat(Worker& worker, const Heartbeat& beat, int64_t now_ms) {
  send(worker.peer, Ping{});
  std::set<LeaseId> held;
  for (const auto& [lease, progress] : beat.leases) {
    held.insert(lease);
    const Lease* active = leases_.active(lease);
    if (active == nullptr || active->peer != worker.peer) {
      cancel_if_ended(worker, lease);
      continue;
    }
    const int64_t duration = active->kind == LeaseKind::kRollout ? options_.rollout_lease_ms : options_.reward_lease_ms;
    if (leases_.progress(lease, progress, now_ms, duration)) worker.last_progress_ms = now_ms;
  }
  const int64_t old_enough_ms = now_ms - int64_t{options_.missed_heartbeats} * options_.heartbeat_ms;
  const std::set<LeaseId> granted = worker.leases;  // the loop changes worker.leases
  for (LeaseId id : granted) {
    const Lease* lease = leases_.active(id);
    if (held.contains(id) || lease->granted_ms > old_enough_ms) continue;
    const Lease ended = end_lease(id, LeaseEvent::kNotHeld);
    workers_.remove_lease(worker, id);
    return_group(ended, now_ms);
    count_lost_lease(ended);
  }
  if (!is_current_learner(worker) || learner_.state != LearnerState::kTraining) return;
  for (const auto& [lease, progress] : beat.leases) {
    if (lease != learner_.lease || progress <= learner_.progress) continue;
    learner_.progress = progress;
    learner_.last_progress_ms = worker.last_progress_ms = now_ms;
  }
  if (!held.contains(learner_.lease) && learner_.batch_sent_ms <= old_enough_ms) {
    ++counters_.batches_resent;
    must_advance<BatchLifecycle>(batch_state(learner_.next_step), BatchEvent::kResend, counters_.reasons);
    learner_.batch_sent_ms = now_ms;
    send_batch_frame(learner_.next_step);
  }
}

// The worker still holds a lease that ended without it: it may drop the work. A lease of an earlier life is left alone,
// because its result is as good as any.
void RunCore::cancel_if_ended(const Worker& worker, LeaseId lease) {
  if (worker.role == Role::kLearner || !leases_.of_this_life(lease)) return;
  const auto ended = leases_.ended(lease);
  if (ended == LeaseState::kCompleted || ended == LeaseState::kFailed) return;  // its acknowledgement is on the way
  ++counters_.cancels_sent;
  send(worker.peer, CancelLease{}, lease);
}

// Ends the lease and counts it by kind.
Lease RunCore::end_lease(LeaseId id, LeaseEvent event) {
  const Lease lease = leases_.end(id, event, counters_.reasons);
  const auto kind = static_cast<size_t>(lease.kind);
  counters_.leases_expired[kind] += event == LeaseEvent::kDeadline;
  counters_.leases_lost[kind] += event == LeaseEvent::kNotHeld;
  counters_.leases_revoked[kind] += event == LeaseEvent::kWorkerLost;
  counters_.leases_superseded += event == LeaseEvent::kOvertaken;
  if (Worker* worker = workers_.find(lease.peer)) workers_.remove_lease(*worker, id);
  return lease;
}

void RunCore::lose_worker(Worker& worker, WorkerEvent why, int64_t now_ms) {
  if (!workers_.apply(worker, why, counters_.reasons)) return;
  expect_back(worker.name, now_ms);
  const std::set<LeaseId> granted = worker.leases;
  for (LeaseId id : granted) {
    const Lease lease = end_lease(id, LeaseEvent::kWorkerLost);
    return_group(lease, now_ms);
    count_lost_lease(lease);
  }
  if (!is_current_learner(worker)) return;
  lose_learner(why == WorkerEvent::kStuck ? LearnerEvent::kStuck : LearnerEvent::kLost, now_ms);
}

// Without progress for so long, a process that has work is wedged.
int64_t RunCore::stall_ms(Role role) const {
  if (role == Role::kLearner) return options_.learner_timeout_ms;
  return role == Role::kRollout ? options_.rollout_lease_ms : options_.reward_lease_ms;
}

// The process is asked to exit, which it may be unable to hear, and whoever started it is asked to end it.
void RunCore::wedge(Worker& worker, WorkerEvent why, const std::string& reason, int64_t now_ms) {
  ++counters_.workers_wedged;
  counters_.learners_stuck += is_current_learner(worker);
  send(worker.peer, Shutdown{exit_code(ErrorCode::kUnavailable), reason});
  actions_.push_back(Replace{worker.name, reason});
  lose_worker(worker, why, now_ms);
}

// A lease ended without a result: the group waits for another worker.
void RunCore::return_group(const Lease& lease, int64_t not_before_ms) {
  Group* group = groups_.find(lease.group);
  PROSODIA_CHECK(group != nullptr, "lease {} of the unknown group {}", lease.id, lease.group);
  groups_.apply(*group, lease.kind == LeaseKind::kRollout ? GroupEvent::kRolloutLost : GroupEvent::kRewardLost,
                counters_.reasons);
  group->not_before_ms = not_before_ms;
}

// A row that kills its workers must not go round for ever, and a worker that swallows groups must not get one twice
// while there are others.
void RunCore::count_lost_lease(const Lease& lease) {
  Group* group = groups_.find(lease.group);
  if (const Worker* worker = workers_.find(lease.peer)) group->failed_on.insert(worker->name);
  if (++group->lost_leases < options_.max_lost_leases) return;
  fail_run(ErrorCode::kUnavailable,
           fmt::format("group {} (step {}, dataset row {}) was given to {} workers that died or fell silent: look at "
                       "the workers' logs; the row may crash them. Last failure: {}",
                       group->id, plan_.step_of(group->id), plan_.row_of(group->id), group->lost_leases,
                       group->last_failure.empty() ? "none reported" : group->last_failure));
}

void RunCore::expire_leases(int64_t now_ms) {
  for (LeaseId id : leases_.overdue(now_ms)) {
    if (leases_.active(id) == nullptr) continue;  // its worker was wedged by the one before
    const Lease lease = end_lease(id, LeaseEvent::kDeadline);
    return_group(lease, now_ms);
    count_lost_lease(lease);
    Worker* worker = workers_.find(lease.peer);
    if (worker == nullptr || worker->state != WorkerState::kLive) continue;
    // A lease that waited behind another one may expire while the worker is busy; it is wedged when nothing moved.
    if (now_ms - worker->last_progress_ms < stall_ms(worker->role)) continue;
    wedge(*worker, WorkerEvent::kStuck,
          fmt::format("{} sends heartbeats but made no progress on group {} for {} s", worker->name, lease.group,
                      stall_ms(worker->role) / 1000),
          now_ms);
  }
}

void RunCore::bury_silent(int64_t now_ms) {
  const int64_t period_ms = options_.heartbeat_ms;
  const int64_t silent_since_ms = now_ms - period_ms * options_.missed_heartbeats;
  for (auto& [peer, worker] : workers_.all()) {
    if (worker.state == WorkerState::kLive && worker.last_heard_ms <= silent_since_ms) {
      ++counters_.workers_lost;
      lose_worker(worker, WorkerEvent::kSilence, now_ms);
    } else if (worker.state == WorkerState::kDead && now_ms - worker.last_heard_ms >= stall_ms(worker.role)) {
      wedge(worker, WorkerEvent::kOverdue,
            fmt::format("{} was not heard of for {} s and nothing took its place", worker.name,
                        stall_ms(worker.role) / 1000),
            now_ms);
    }
  }
  workers_.forget_ended(now_ms - period_ms * kForgetAfterPeriods);
}

// A process under this name should say Hello (again) before long.
void RunCore::expect_back(const std::string& name, int64_t now_ms) {
  const auto& expected = options_.expected_workers;
  if (std::find(expected.begin(), expected.end(), name) != expected.end()) missing_since_ms_.try_emplace(name, now_ms);
}

void RunCore::report_missing(int64_t now_ms) {
  for (auto& [name, since_ms] : missing_since_ms_) {
    if (now_ms - since_ms < options_.learner_timeout_ms) continue;
    since_ms = now_ms;
    ++counters_.workers_missing;
    actions_.push_back(
        Replace{name, fmt::format("{} has not said Hello for {} s", name, options_.learner_timeout_ms / 1000)});
  }
}

}  // namespace prosodia::core
