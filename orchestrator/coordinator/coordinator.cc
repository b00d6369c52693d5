#include "orchestrator/coordinator/coordinator.h"

#include <spdlog/spdlog.h>

#include <chrono>

#include "orchestrator/coordinator/control_port.h"
#include "orchestrator/coordinator/coordinator_process.h"
#include "orchestrator/coordinator/journal_records.h"

namespace prosodia {

namespace {
constexpr size_t kFramesPerCommit = 1024;                // group commit: so many frames share one fdatasync at most
constexpr std::chrono::milliseconds kShortestTraced{1};  // a busy journal is synced hundreds of times a second
}  // namespace

Status Coordinator::run() {
  PROSODIA_TRY(recover());
  if (outcome_) return *outcome_;  // complete already
  PROSODIA_TRY(listen());
  const Status status = loop();
  port_->close(options_.goodbye_ms);
  return status;
}

Status Coordinator::listen() {
  PROSODIA_ASSIGN(port_, ControlPort::open(options_, fs_));
  spdlog::info("coordinator listens on {}, {} (run {:016x}, life {})", port_->endpoint(),
               port_->encrypted() ? "encrypted" : "not encrypted", core_->run_id().value, core_->life());
  if (options_.on_listening) options_.on_listening(port_->endpoint());
  return {};
}

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
    PROSODIA_TRY(retire_journal());
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
    PROSODIA_ASSIGN(const uint64_t lsn, journal_->append(record.type, record.payload));
    retirement_.note(*core_, lsn, append->record);
    appended = true;
  }
  if (appended) {
    const auto begin = std::chrono::steady_clock::now();
    PROSODIA_TRY(journal_->sync());
    const auto end = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(end - begin).count();
    if (options_.trace != nullptr && end - begin >= kShortestTraced)
      options_.trace->add("journal_sync", begin, end, {{"step", core_->trained_steps() + 1}});
    sync_seconds_ += seconds;
    ++syncs_;
    if (options_.on_journal_sync) options_.on_journal_sync(seconds);
  }
  for (const core::Action& action : actions)
    if (const auto* append = std::get_if<core::Append>(&action); append != nullptr && options_.on_record)
      options_.on_record(append->record);
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
  if (const auto* replace = std::get_if<core::Replace>(&action)) {
    spdlog::warn("{} should be replaced: {}", replace->worker, replace->reason);
    if (!options_.on_stuck) return {};
    if (const Status handled = options_.on_stuck(replace->worker, replace->reason); !handled) conclude(handled);
  } else if (const auto* complete = std::get_if<core::Complete>(&action)) {
    spdlog::info("run complete: {} steps, run digest {}", complete->steps, complete->run_digest.hex());
    conclude({});
  } else if (const auto* stopped = std::get_if<core::Stopped>(&action)) {
    conclude(fail(ErrorCode::kInterrupted, "{}", stopped->detail));
  } else if (const auto* failed = std::get_if<core::Failed>(&action)) {
    conclude(tl::unexpected(failed->error));
  }
  return {};
}

void Coordinator::conclude(Status outcome) {
  const Status flushed = sink_.finish();
  outcome_ = outcome.has_value() && !flushed ? flushed : std::move(outcome);
}

Status run_coordinator(const CoordinatorOptions& options, MetricsSink& sink, std::atomic<bool>& stop) {
  return Coordinator(options, sink, stop).run();
}

}  // namespace prosodia
