#include "tests/sim/sim_coordinator.h"

#include "orchestrator/coordinator/journal_records.h"

namespace prosodia::sim {

using namespace protocol;

namespace {
constexpr int64_t kTickMs = 100;
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
}
}  // namespace

SimCoordinator::SimCoordinator(World& world, core::RunOptions options, std::vector<std::string> rows,
                               uint64_t archive_steps, Deliver deliver)
    : world_(world),
      options_(std::move(options)),
      rows_(std::move(rows)),
      archive_steps_(archive_steps),
      deliver_(std::move(deliver)),
      fs_(world.random_u64()) {}

void SimCoordinator::boot() {
  ++boots_;
  options_.archived_before = archived_;
  core_ = std::make_unique<core::RunCore>(options_, [this](uint64_t row) -> const std::string& { return rows_[row]; });
  auto journal = Journal::open(fs_, kJournalDir, [&](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    return core_->replay(decoded);
  });
  if (!journal) {
    violations.push_back("journal does not open: " + journal.error().message);
    failed_ = journal.error();
    core_.reset();
    return;
  }
  journal_ = std::move(*journal);
  check_nothing_lost();
  drive(core_->start(world_.now_ms()));
  if (core_ && stop_requested_) drive(core_->on_stop(world_.now_ms()));
  world_.at(kTickMs, [this, boot = boots_] { tick(boot); });
}

void SimCoordinator::tick(uint64_t boot) {
  if (!core_ || boot != boots_) return;
  drive(core_->on_tick(world_.now_ms()));
  world_.at(kTickMs, [this, boot] { tick(boot); });
}

void SimCoordinator::receive(const std::string& peer, std::vector<std::byte> frame) {
  if (!core_) return;
  inbox_.emplace_back(peer, std::move(frame));
  if (process_scheduled_) return;
  process_scheduled_ = true;
  world_.at(1, [this] { process(); });
}

// Several frames, one sync: group commit.
void SimCoordinator::process() {
  process_scheduled_ = false;
  if (!core_) return;
  core::Actions all;
  for (const auto& [peer, frame] : std::exchange(inbox_, {})) {
    note_result(peer, frame);
    for (auto& action : core_->on_frame(peer, frame, world_.now_ms())) all.push_back(std::move(action));
  }
  drive(std::move(all));
}

void SimCoordinator::drive(core::Actions actions) {
  bool appended = false;
  for (const core::Action& action : actions) {
    const auto* append = std::get_if<core::Append>(&action);
    if (append == nullptr) continue;
    const EncodedRecord record = encode_record(append->record);
    if (auto lsn = journal_->append(record.type, record.payload); !lsn) violations.push_back(lsn.error().message);
    appended = true;
  }
  if (appended) {
    if (commit_crash_ && commit_crash_before_sync_) return down(*commit_crash_);
    if (auto status = journal_->sync(); !status) violations.push_back(status.error().message);
    if (commit_crash_) return down(*commit_crash_);
  }
  for (core::Action& action : actions) {
    if (!core_) return;
    perform(action);
  }
}

void SimCoordinator::perform(core::Action& action) {
  if (auto* send = std::get_if<core::Send>(&action)) {
    note_ack(send->peer, send->frame);
    deliver_(send->peer, std::move(send->frame));
  } else if (const auto* finished = std::get_if<core::StepFinished>(&action)) {
    const uint64_t done = finished->step.value + 1;
    if (archive_steps_ == 0 || done % archive_steps_ == 0 || done == options_.plan.total_steps) {
      for (uint64_t step = archived_; step < done; ++step) {
        if (!core_->has_groups(StepId(step)))
          violations.push_back(fmt::format("step {} is not there to archive", step));
      }
      archived_ = done;
      core_->archived(StepId(done));
    }
  } else if (const auto* request = std::get_if<core::Reload>(&action)) {
    reload(*request);
  } else if (const auto* complete = std::get_if<core::Complete>(&action)) {
    complete_ = *complete;
  } else if (const auto* stopped = std::get_if<core::Stopped>(&action)) {
    stopped_ = stopped->detail;
  } else if (const auto* failed = std::get_if<core::Failed>(&action)) {
    failed_ = failed->error;
  }
}

void SimCoordinator::reload(const core::Reload& request) {
  ++reloads_;
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
    violations.push_back(
        fmt::format("the acknowledged {} of group {} is lost", is_reward ? "reward" : "rollout", group));
  }
}

void SimCoordinator::crash(Crash how) {
  if (core_) down(how);
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

std::map<uint64_t, int> SimCoordinator::trained_records() const {
  std::map<uint64_t, int> counts;
  auto& fs = const_cast<FaultyFileSystem&>(fs_);
  (void)read_journal(fs, kJournalDir, [&](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    if (const auto* trained = std::get_if<core::StepTrained>(&decoded)) ++counts[trained->done.step.value];
    return {};
  });
  return counts;
}

}  // namespace prosodia::sim
