#include "orchestrator/coordinator/coordinator.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <optional>
#include <span>

#include "data/base/check.h"
#include "data/store/atomic_file.h"
#include "data/store/journal.h"
#include "orchestrator/coordinator/archive.h"
#include "orchestrator/coordinator/control_port.h"
#include "orchestrator/coordinator/journal_records.h"
#include "orchestrator/coordinator/step_reports.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia {

namespace {

constexpr size_t kFramesPerCommit = 1024;  // group commit: so many frames share one fdatasync at most
double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Digest digest_of_rows(const std::vector<std::string>& rows) {
  DigestBuilder builder;
  builder.add("prosodia rows 1").add(uint64_t{rows.size()});
  for (const std::string& row : rows) builder.add(row);
  return builder.finish();
}

namespace {

class Coordinator {
 public:
  Coordinator(const CoordinatorOptions& options, MetricsSink& sink, std::atomic<bool>& stop)
      : options_(options), sink_(sink), stop_(stop) {}

  Status run() {
    PROSODIA_TRY(recover());
    if (outcome_) return *outcome_;  // complete already
    PROSODIA_TRY(listen());
    const Status status = loop();
    port_->close(options_.goodbye_ms);
    return status;
  }

 private:
  Status recover();
  Status open_journal();
  Status report_again();
  Status listen();
  Status loop();
  Status drive(core::Actions actions);
  Status commit(std::span<core::Action> actions);
  Status perform(core::Action& action);
  Status on_step_finished(StepId step);
  Status report(StepId step);
  Status archive_through(uint64_t end);
  Status reload(const core::Reload& request);
  void conclude(Status outcome);
  std::filesystem::path journal_dir() const { return options_.run_dir / "journal"; }
  std::filesystem::path archive_dir() const { return options_.run_dir / "rollouts"; }

  const CoordinatorOptions& options_;
  MetricsSink& sink_;
  std::atomic<bool>& stop_;
  FileSystem& fs_ = options_.fs != nullptr ? *options_.fs : posix_file_system();
  std::unique_ptr<core::RunCore> core_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<ControlPort> port_;
  std::optional<Status> outcome_;
  uint64_t archived_ = 0;
  std::vector<uint64_t> tokens_;  // by step: see count_tokens
  double sync_seconds_ = 0;       // since the last report
  uint64_t syncs_ = 0;
};

// ------------------------------------------------------------------------------------------------ start

Status Coordinator::recover() {
  if (options_.rows.empty()) return fail(ErrorCode::kInvalidInput, "the dataset has no rows");
  PROSODIA_TRY(fs_.create_dirs(options_.run_dir));
  PROSODIA_ASSIGN(const auto segments, list_segments(fs_, archive_dir()));
  archived_ = archived_before(segments);
  core::RunOptions run = options_.run;
  run.plan.num_rows = options_.rows.size();
  run.dataset_digest = digest_of_rows(options_.rows);
  run.run_id = RunId(protocol::random_u64());
  run.archived_before = options_.archive_steps > 0 ? archived_ : run.plan.total_steps;
  core_ =
      std::make_unique<core::RunCore>(run, [this](uint64_t row) -> const std::string& { return options_.rows[row]; });
  PROSODIA_TRY(open_journal());
  PROSODIA_TRY(report_again());
  return drive(core_->start(protocol::steady_now_ms()));
}

Status Coordinator::open_journal() {
  JournalRecovery recovery;
  const auto replay = [this](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    if (const auto* sampled = std::get_if<core::GroupSampled>(&decoded)) {
      const uint64_t step = core_->plan().step_of(sampled->result.group_id).value;
      if (tokens_.size() <= step) tokens_.resize(step + 1);
      tokens_[step] += count_tokens(sampled->result);
    }
    return core_->replay(decoded);
  };
  PROSODIA_ASSIGN(journal_, Journal::open(fs_, journal_dir(), replay, &recovery));
  if (!recovery.message.empty()) spdlog::warn("journal: {}", recovery.message);
  if (recovery.records > 0) {
    spdlog::info("resuming: {} journal records, {} steps trained, newest checkpoint of version {}, run digest {}",
                 recovery.records, core_->trained_steps(), core_->last_checkpoint(), core_->run_digest().short_hex());
  }
  return {};
}

// The sink made its files durable when the last checkpoint was; later steps may be missing from them.
Status Coordinator::report_again() {
  for (uint64_t step = core_->last_checkpoint().value; step < core_->trained_steps(); ++step) {
    if (core_->has_groups(StepId(step))) PROSODIA_TRY(report(StepId(step)));
  }
  if (options_.archive_steps == 0) return {};
  const uint64_t whole = core_->trained_steps() / options_.archive_steps * options_.archive_steps;
  return archive_through(whole);
}

Status Coordinator::listen() {
  PROSODIA_ASSIGN(port_, ControlPort::open(options_, fs_));
  spdlog::info("coordinator listens on {}, {} (run {:016x}, life {})", port_->endpoint(),
               port_->encrypted() ? "encrypted" : "not encrypted", core_->run_id().value, core_->life());
  if (options_.on_listening) options_.on_listening(port_->endpoint());
  return {};
}

// ------------------------------------------------------------------------------------------------ event loop

Status Coordinator::loop() {
  int64_t next_tick_ms = 0;
  bool stop_seen = false;
  while (!outcome_) {
    zmq::pollitem_t item{port_->poll_handle(), 0, ZMQ_POLLIN, 0};
    protocol::poll_sockets({&item, 1}, std::chrono::milliseconds(options_.tick_ms));
    const int64_t now_ms = protocol::steady_now_ms();
    core::Actions actions = port_->receive(*core_, kFramesPerCommit, now_ms);
    const auto collect = [&actions](core::Actions more) {
      std::move(more.begin(), more.end(), std::back_inserter(actions));
    };
    if (stop_ && !stop_seen) {
      stop_seen = true;
      spdlog::info("stopping: waiting for the learner's checkpoint, at most {} s", options_.run.stop_grace_ms / 1000);
      collect(core_->on_stop(now_ms));
    }
    if (now_ms >= next_tick_ms) {
      if (options_.on_alive) options_.on_alive();
      collect(core_->on_tick(now_ms));
      next_tick_ms = now_ms + options_.tick_ms;
      port_->tend(core_->counters(), now_ms);
      if (options_.on_tick) options_.on_tick(*core_);
    }
    PROSODIA_TRY(drive(std::move(actions)));
  }
  return *outcome_;
}

// Two records may only be written once files beside the journal are durable, so each begins a commit of its own: a
// checkpoint needs the reports of the steps before it, the end of the run needs the last segment of the archive. A
// crash or a full disk in between leaves a run that goes on where it was.
Status Coordinator::drive(core::Actions actions) {
  size_t begin = 0;
  for (size_t i = 0; i < actions.size(); ++i) {
    const auto* append = std::get_if<core::Append>(&actions[i]);
    if (append == nullptr) continue;
    const auto* complete = std::get_if<core::RunComplete>(&append->record);
    if (complete == nullptr && !std::holds_alternative<core::CheckpointSaved>(append->record)) continue;
    PROSODIA_TRY(commit(std::span(actions).subspan(begin, i - begin)));
    if (complete == nullptr) {
      PROSODIA_TRY(sink_.sync());
    } else if (options_.archive_steps > 0) {
      PROSODIA_TRY(archive_through(complete->steps));
    }
    begin = i;
  }
  return commit(std::span(actions).subspan(begin));
}

// Appends, one fdatasync, then everything that may be seen.
Status Coordinator::commit(std::span<core::Action> actions) {
  bool appended = false;
  for (const core::Action& action : actions) {
    const auto* append = std::get_if<core::Append>(&action);
    if (append == nullptr) continue;
    const EncodedRecord record = encode_record(append->record);
    PROSODIA_TRY(journal_->append(record.type, record.payload));
    appended = true;
    if (const auto* sampled = std::get_if<core::GroupSampled>(&append->record)) {
      const uint64_t step = core_->plan().step_of(sampled->result.group_id).value;
      if (tokens_.size() <= step) tokens_.resize(step + 1);
      tokens_[step] += count_tokens(sampled->result);
    }
  }
  if (appended) {
    const auto begin = std::chrono::steady_clock::now();
    PROSODIA_TRY(journal_->sync());
    sync_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    ++syncs_;
  }
  for (core::Action& action : actions) PROSODIA_TRY(perform(action));
  return {};
}

Status Coordinator::perform(core::Action& action) {
  if (const auto* send = std::get_if<core::Send>(&action)) {
    port_->send(*send);
    return {};
  }
  if (const auto* finished = std::get_if<core::StepFinished>(&action)) return on_step_finished(finished->step);
  if (const auto* request = std::get_if<core::Reload>(&action)) return reload(*request);
  if (const auto* complete = std::get_if<core::Complete>(&action)) {
    spdlog::info("run complete: {} steps, run digest {}", complete->steps, complete->run_digest.hex());
    conclude({});
  } else if (const auto* stopped = std::get_if<core::Stopped>(&action)) {
    conclude(fail(ErrorCode::kInterrupted, "{}", stopped->detail));
  } else if (const auto* failed = std::get_if<core::Failed>(&action)) {
    conclude(tl::unexpected(failed->error));
  } else if (const auto* replace = std::get_if<core::Replace>(&action)) {
    spdlog::warn("{} should be replaced: {}", replace->worker, replace->reason);
    if (options_.on_stuck) options_.on_stuck(replace->worker, replace->reason);
  }
  return {};
}

void Coordinator::conclude(Status outcome) {
  const Status flushed = sink_.finish();
  outcome_ = outcome.has_value() && !flushed ? flushed : std::move(outcome);
}

// ------------------------------------------------------------------------------------------------ steps

Status Coordinator::on_step_finished(StepId step) {
  PROSODIA_TRY(report(step));
  const uint64_t done = step.value + 1;
  if (options_.archive_steps > 0 && done % options_.archive_steps == 0) return archive_through(done);
  return {};
}

Status Coordinator::report(StepId step) {
  StepReportInputs inputs;
  inputs.wall_time = unix_seconds();
  for (uint64_t s = 0; s <= step.value && s < tokens_.size(); ++s) inputs.total_tokens += tokens_[s];
  if (syncs_ > 0) inputs.journal_sync_seconds = sync_seconds_ / static_cast<double>(syncs_);
  sync_seconds_ = 0;
  syncs_ = 0;
  return sink_.on_step(make_step_report(*core_, step, inputs));
}

// One segment of everything from the last segment up to `end`, unless that is nothing.
Status Coordinator::archive_through(uint64_t end) {
  std::vector<ArchivedStep> steps;
  for (uint64_t step = archived_; step < end; ++step) {
    if (!core_->has_groups(StepId(step))) {
      return fail(ErrorCode::kCorruption, "step {} is neither archived in {} nor in memory", step,
                  archive_dir().string());
    }
    protocol::StepBatch batch;
    batch.step = StepId(step);
    const core::StepRecord& record = core_->step_record(StepId(step));
    batch.batch_digest = record.batch_digest;
    batch.groups = core_->step_groups(StepId(step));
    steps.push_back({std::move(batch), record.loss, record.weights_digest});
  }
  if (steps.empty()) return {};
  PROSODIA_TRY(write_segment(fs_, archive_dir(), steps));
  archived_ = end;
  core_->archived(StepId(end));
  return {};
}

Status Coordinator::reload(const core::Reload& request) {
  spdlog::warn("the learner starts from version {}: reading the batches of steps {} to {} back from the journal",
               request.from, request.from, request.to.value - 1);
  PROSODIA_TRY(read_journal(fs_, journal_dir(), [&](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    core_->reload(request.from, decoded);
    return {};
  }));
  return drive(core_->reload_done(request.from));
}

}  // namespace

Status run_coordinator(const CoordinatorOptions& options, MetricsSink& sink, std::atomic<bool>& stop) {
  return Coordinator(options, sink, stop).run();
}

Result<std::unique_ptr<FileLock>> lock_run(FileSystem& fs, const std::filesystem::path& run_dir) {
  PROSODIA_ASSIGN(const bool exists, fs.exists(run_dir));
  PROSODIA_TRY(fs.create_dirs(run_dir));
  if (!exists) {  // rows, responses and weights are for the user and the group; whoever opens it further means to
    std::error_code ignored;
    std::filesystem::permissions(run_dir, std::filesystem::perms::others_all, std::filesystem::perm_options::remove,
                                 ignored);
  }
  auto lock = fs.lock_file(run_dir / "LOCK");
  if (!lock && lock.error().code == ErrorCode::kUnavailable) {
    return fail(ErrorCode::kUnavailable, "another coordinator runs in this folder: {}", lock.error().message);
  }
  return lock;
}

Result<RunStatus> inspect_run(FileSystem& fs, const std::filesystem::path& run_dir) {
  RunStatus status;
  PROSODIA_ASSIGN(const bool exists, fs.exists(run_dir / "journal"));
  if (!exists) return status;
  PROSODIA_TRY(read_journal(fs, run_dir / "journal", [&](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    status.exists = true;
    if (const auto* trained = std::get_if<core::StepTrained>(&decoded)) {
      status.trained_steps = std::max(status.trained_steps, trained->done.step.value + 1);
      status.run_digest = trained->run_digest;
    } else if (const auto* saved = std::get_if<core::CheckpointSaved>(&decoded)) {
      status.last_checkpoint = std::max(status.last_checkpoint, saved->version.value);
    } else if (std::holds_alternative<core::RunComplete>(decoded)) {
      status.complete = true;
    }
    return {};
  }));
  status.first_report_step = status.last_checkpoint + 1;
  return status;
}

}  // namespace prosodia
