#include "tests/sim/sim_coordinator.h"

#include <algorithm>

#include "orchestrator/coordinator/journal_records.h"

namespace prosodia::sim {

using namespace protocol;

namespace {
constexpr int64_t kTickMs = 100;
constexpr JournalOptions kSmallSegments{.segment_bytes = 6000};  // so that there is something to retire
const std::filesystem::path kJournalDir = "/run/journal";

void add(core::Counters& total, const core::Counters& part) {
  for (int kind = 0; kind < 2; ++kind) {
    total.leases_expired[kind] += part.leases_expired[kind];
    total.leases_lost[kind] += part.leases_lost[kind];
    total.leases_revoked[kind] += part.leases_revoked[kind];
  }
  for (int i = 0; i < kNumRefusalReasons; ++i) total.results_rejected[i] += part.results_rejected[i];
  total.leases_superseded += part.leases_superseded;
  total.results_accepted += part.results_accepted;
  total.tasks_failed += part.tasks_failed;
  total.workers_lost += part.workers_lost;
  total.workers_fenced += part.workers_fenced;
  total.steps_replayed += part.steps_replayed;
  total.replay_mismatches += part.replay_mismatches;
  total.batches_resent += part.batches_resent;
  total.workers_wedged += part.workers_wedged;
  total.workers_missing += part.workers_missing;
  total.learners_stuck += part.learners_stuck;
  for (const auto& [reason, count] : part.reasons) total.reasons[reason] += count;
}
}  // namespace

SimCoordinator::SimCoordinator(World& world, core::RunOptions options, std::vector<std::string> rows,
                               uint64_t archive_steps, CoordinatorHooks hooks)
    : world_(world),
      options_(std::move(options)),
      rows_(std::move(rows)),
      archive_steps_(archive_steps),
      hooks_(std::move(hooks)),
      fs_(world.random_u64()) {}

void SimCoordinator::boot() {
  ++boots_;
  inbox_.clear();
  process_scheduled_ = syncing_ = false;
  paused_until_ms_ = 0;
  options_.archived_before = archive_.empty() ? 0 : archive_.rbegin()->first + 1;
  core_ = std::make_unique<core::RunCore>(options_, [this](uint64_t row) -> const std::string& { return rows_[row]; });
  retirement_ = {};
  auto journal = Journal::open(
      fs_, kJournalDir,
      [&](const JournalRecord& record) -> Status {
        PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
        PROSODIA_TRY(core_->replay(decoded));
        retirement_.note(*core_, record.lsn, decoded);
        if (const auto* trained = std::get_if<core::StepTrained>(&decoded))
          trained_[trained->done.step.value].insert(record.lsn);
        return {};
      },
      nullptr, kSmallSegments);
  if (!journal) {
    core_.reset();
    if (journal.error().code == ErrorCode::kStorage) {  // the disk is still full: somebody tries again
      world_.count("starts on a full or failing disk");
      world_.at(world_.between(1000, 4000), [this] { boot(); });
      return;
    }
    violations.push_back("journal does not open: " + journal.error().message);
    failed_ = journal.error();
    return;
  }
  journal_ = std::move(*journal);
  retirement_.set_folded_steps(core_->folded_steps());
  check_nothing_lost();
  drive(core_->start(world_.now_ms()));
  if (core_ && stop_requested_) drive(core_->on_stop(world_.now_ms()));
  world_.at(kTickMs, [this, boot = boots_] { tick(boot); });
}

void SimCoordinator::tick(uint64_t boot) {
  if (!core_ || boot != boots_) return;
  if (!is_blocked()) drive(core_->on_tick(world_.now_ms()));
  world_.at(kTickMs, [this, boot] { tick(boot); });
}

void SimCoordinator::receive(const std::string& peer, std::vector<std::byte> frame) {
  if (!core_) return;
  inbox_.emplace_back(peer, std::move(frame));
  schedule_processing(1);
}

void SimCoordinator::schedule_processing(int64_t delay_ms) {
  if (process_scheduled_) return;
  process_scheduled_ = true;
  world_.at(delay_ms, [this, boot = boots_] { process(boot); });
}

// Several frames, one sync: group commit.
void SimCoordinator::process(uint64_t boot) {
  if (!core_ || boot != boots_) return;
  process_scheduled_ = false;
  if (is_blocked()) return schedule_processing(20);
  core::Actions all;
  for (const auto& [peer, frame] : std::exchange(inbox_, {})) {
    note_result(peer, frame);
    for (auto& action : core_->on_frame(peer, frame, world_.now_ms())) all.push_back(std::move(action));
  }
  drive(std::move(all));
}

void SimCoordinator::drive(core::Actions actions) {
  const bool appends = std::any_of(actions.begin(), actions.end(), [](const core::Action& action) {
    return std::holds_alternative<core::Append>(action);
  });
  if (appends && !write(actions)) return;
  if (!appends || slow_ms_ == 0) return perform_all(actions);
  syncing_ = true;
  world_.count("slow syncs");
  world_.at(world_.between(1, slow_ms_),
            [this, boot = boots_, later = std::make_shared<core::Actions>(std::move(actions))] {
              if (!core_ || boot != boots_) return;
              syncing_ = false;
              perform_all(*later);
            });
}

// Appends and syncs. False: the process died of it.
bool SimCoordinator::write(const core::Actions& actions) {
  std::vector<std::pair<uint64_t, uint64_t>> trained;  // step, LSN
  for (const core::Action& action : actions) {
    const auto* append = std::get_if<core::Append>(&action);
    if (append == nullptr) continue;
    const EncodedRecord record = encode_record(append->record);
    const auto lsn = journal_->append(record.type, record.payload);
    if (!lsn) {  // the mark behind the last sync could not be written
      world_.count("journal appends failed");
      down(Crash::kProcess);
      return false;
    }
    retirement_.note(*core_, *lsn, append->record);
    if (const auto* done = std::get_if<core::StepTrained>(&append->record)) {
      trained.emplace_back(done->done.step.value, *lsn);
    }
  }
  if (commit_crash_ && commit_crash_before_sync_) {
    down(*commit_crash_);
    return false;
  }
  if (!journal_->sync()) {  // exit code 5; started again by hand
    world_.count("journal syncs failed");
    down(Crash::kProcess);
    return false;
  }
  for (const auto& [step, lsn] : trained) trained_[step].insert(lsn);
  if (!commit_crash_) return true;
  down(*commit_crash_);
  return false;
}

void SimCoordinator::perform_all(core::Actions& actions) {
  for (core::Action& action : actions) {
    if (!core_) return;
    perform(action);
  }
  if (!core_ || archive_steps_ == 0) return;
  const uint64_t before = retirement_.folded_steps();
  if (!retirement_.retire(*core_, *journal_)) {
    world_.count("retirements failed");
    if (!journal_->sync()) return down(Crash::kProcess);
  }
  if (retirement_.folded_steps() > before) world_.count("journal retirements");
}

void SimCoordinator::perform(core::Action& action) {
  if (auto* send = std::get_if<core::Send>(&action)) {
    note_ack(send->peer, send->frame);
    hooks_.deliver(send->peer, std::move(send->frame));
  } else if (const auto* finished = std::get_if<core::StepFinished>(&action)) {
    const uint64_t done = finished->step.value + 1;
    const bool due = archive_steps_ > 0 && (done % archive_steps_ == 0 || done == options_.plan.total_steps);
    if (due) archive(done);
  } else if (const auto* request = std::get_if<core::Reload>(&action)) {
    reload(*request);
  } else if (const auto* replaced = std::get_if<core::Replace>(&action)) {
    hooks_.replace(replaced->worker);
  } else if (const auto* complete = std::get_if<core::Complete>(&action)) {
    complete_ = *complete;
  } else if (const auto* stopped = std::get_if<core::Stopped>(&action)) {
    stopped_ = stopped->detail;
  } else if (const auto* failed = std::get_if<core::Failed>(&action)) {
    failed_ = failed->error;
  }
}

void SimCoordinator::archive(uint64_t end) {
  for (uint64_t step = archive_.empty() ? 0 : archive_.rbegin()->first + 1; step < end; ++step) {
    if (!core_->has_groups(StepId(step))) {
      violations.push_back(fmt::format("step {} is not there to archive", step));
      return;
    }
    archive_[step] = core_->step_groups(StepId(step));
  }
  core_->archived(StepId(end));
}

void SimCoordinator::reload(const core::Reload& request) {
  ++reloads_;
  for (uint64_t step = request.from.value; step < retirement_.folded_steps(); ++step) {
    ++archive_reloads_;
    for (const BatchGroup& group : archive_.at(step)) {
      core_->reload(request.from, core::GroupSampled{group.rollout, ""});
      core_->reload(request.from, core::GroupScored{group.reward, 1, ""});
    }
  }
  const auto status = read_journal(fs_, kJournalDir, [&](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    core_->reload(request.from, decoded);
    return {};
  });
  if (!status) violations.push_back("reload: " + status.error().message);
  drive(core_->reload_done(request.from));
}

void SimCoordinator::note_result(const std::string& peer, std::span<const std::byte> frame) {
  const auto view = decode_frame(frame, kMaxPayloadFromWorker);
  if (!view) return;
  if (view->header.type == MessageType::kRolloutResult) {
    results_[{peer, view->header.seq}] = {decode<RolloutResult>(view->payload)->group_id, false};
  } else if (view->header.type == MessageType::kRewardResult) {
    results_[{peer, view->header.seq}] = {decode<RewardResult>(view->payload)->group_id, true};
  }
}

void SimCoordinator::note_ack(const std::string& peer, std::span<const std::byte> frame) {
  const auto view = decode_frame(frame, kMaxPayloadFromCoordinator);
  if (!view || view->header.type != MessageType::kResultAck) return;
  const auto result = results_.find({peer, decode<ResultAck>(view->payload)->acked_seq});
  if (result != results_.end()) acked_.insert(result->second);
}

void SimCoordinator::check_nothing_lost() {
  for (const auto& [group, is_reward] : acked_) {
    const auto state = core_->group_state(group);
    const bool trained = core_->plan().step_of(group).value < core_->trained_steps();
    const auto needed = is_reward ? core::GroupState::kScored : core::GroupState::kSampled;
    if (trained || (state && *state >= needed)) continue;
    ++lost_;
    violations.push_back(
        fmt::format("the acknowledged {} of group {} is lost", is_reward ? "reward" : "rollout", group));
  }
}

void SimCoordinator::crash(Crash how) {
  if (core_) down(how);
}

void SimCoordinator::pause(int64_t for_ms) { paused_until_ms_ = world_.now_ms() + for_ms; }

void SimCoordinator::heal_disk() {
  fs_.clear_faults();
  slow_ms_ = 0;
}

void SimCoordinator::crash_in_next_commit(Crash how, bool before_sync) {
  commit_crash_ = how;
  commit_crash_before_sync_ = before_sync;
}

void SimCoordinator::down(Crash how) {
  add(total_, core_->counters());
  commit_crash_.reset();
  inbox_.clear();
  core_.reset();
  journal_.reset();
  fs_.crash(how);
  world_.at(world_.between(50, 3000), [this] { boot(); });
}

void SimCoordinator::request_stop() {
  stop_requested_ = true;
  if (core_) drive(core_->on_stop(world_.now_ms()));
}

void SimCoordinator::run_again() {
  stop_requested_ = false;
  stopped_.reset();
  crash(Crash::kProcess);
}

std::string SimCoordinator::describe() const {
  if (!core_) return "the coordinator is down";
  std::string text = fmt::format("{} steps trained, {} released, newest checkpoint {}, learner {}, {} active leases;",
                                 core_->trained_steps(), core_->released_steps(), core_->last_checkpoint(),
                                 core::name_of<core::LearnerLifecycle>(core_->learner_state()), core_->active_leases());
  for (const auto& [peer, worker] : core_->workers().all()) {
    text += fmt::format(" {} {} ({} leases)", worker.name, core::name_of<core::WorkerLifecycle>(worker.state),
                        worker.leases.size());
  }
  return text;
}

core::Counters SimCoordinator::total() const {
  core::Counters sum = total_;
  if (core_) add(sum, core_->counters());
  return sum;
}

std::map<uint64_t, size_t> SimCoordinator::trained_records() const {
  std::map<uint64_t, size_t> counts;
  for (const auto& [step, lsns] : trained_) counts[step] = lsns.size();
  return counts;
}

}  // namespace prosodia::sim
