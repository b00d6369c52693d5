// The coordinator process: RunCore (orchestrator/core) behind a ROUTER socket, the journal, the rollout archive and the
// metrics sink. Started by the CLI, directly or under the supervisor. Links no LibTorch.
//
// | what it writes             | when                                                   | survives                   |
// |----------------------------|--------------------------------------------------------|----------------------------|
// | RUN/journal/               | before whatever depends on it is shown to anybody      | any crash, power loss      |
// | RUN/coordinator.endpoint   | once it listens                                        | replaced by a restart      |
// | RUN/rollouts/step-A-B.h5   | every archive_steps steps, and before the run is       | whole or not at all        |
// |                            | recorded as complete                                   |                            |
// | MetricsSink                | once per trained step; again after a crash, from the   | what the sink's sync() did |
// |                            | last checkpoint on                                     |                            |
//
// Thread rule: run_coordinator occupies its thread; `stop` may be set by any thread or signal handler.
// Failure rule: kInvalidInput: the run folder belongs to another configuration or dataset. kStorage: disk; nothing
// unsaved was acknowledged; rerun. kUnavailable: workers or another coordinator. kInterrupted: stopped and saved.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "data/store/fs.h"
#include "data/trace/trace_writer.h"
#include "orchestrator/core/run_core.h"
#include "orchestrator/monitor/metrics_sink.h"
#include "orchestrator/protocol/keys.h"
#include "orchestrator/protocol/peer_guard.h"

namespace prosodia {

struct CoordinatorOptions {
  std::filesystem::path run_dir;
  // plan.num_rows, dataset_digest, run_id and archived_before are filled in by run_coordinator; the rest is the
  // caller's.
  core::RunOptions run;
  std::vector<std::string> rows;  // the dataset, one JSON object each, audio references resolved

  // "*" as port: the one in RUN/coordinator.endpoint when it is still free, so that workers find a restarted
  // coordinator where they left it; any free one otherwise.
  std::string endpoint = "tcp://127.0.0.1:*";
  protocol::CredentialsPtr credentials;       // the coordinator's keys; nullptr = plaintext
  protocol::PeerLimits peer_limits;           // of what one worker may send
  bool allow_plaintext_network = false;       // listen outside loopback without encryption
  uint64_t archive_steps = 50;                // steps a segment; 0 = no archive, and then the journal is never trimmed
  uint64_t archive_keep_steps = 0;            // segments of older steps are removed; 0 = all are kept
  uint64_t journal_segment_bytes = 64 << 20;  // the journal is trimmed by whole segments
  int64_t tick_ms = 100;                      // of the event loop
  int64_t goodbye_ms = 1000;                  // for the last frames to leave

  std::function<void(const std::string& endpoint)> on_listening;  // optional
  FileSystem* fs = nullptr;  // the run folder's; nullptr: the real one. Outlives the coordinator
  // To whoever can restart processes; both optional. on_alive: every tick, while the loop turns. on_stuck: an error
  // ends the run with it, because nobody can.
  std::function<void()> on_alive;
  std::function<Status(const std::string& worker, const std::string& reason)> on_stuck;
  // Observers, all optional, on the coordinator's thread.
  std::function<void(const core::RunCore&)> on_tick;
  std::function<void(const core::Record&)> on_record;  // durable now, for the first time
  std::function<void(double seconds)> on_journal_sync;
  TraceWriter* trace = nullptr;  // null = none; outlives the coordinator
};

// Takes RUN/LOCK (RUN is created when missing, closed to others than user and group) for the caller alone; held until
// the lock object ends, or the process. To be called before anything in RUN is opened for writing, the monitor's files
// too: the journal has a lock of its own, but run_coordinator takes it when those are open already. kUnavailable names
// the process that holds it.
Result<std::unique_ptr<FileLock>> lock_run(FileSystem& fs, const std::filesystem::path& run_dir);

// Runs until the run is complete (OK), stopped, or failed.
Status run_coordinator(const CoordinatorOptions& options, MetricsSink& sink, std::atomic<bool>& stop);

// What a run folder's journal says, without changing or locking anything. An empty or missing journal: exists = false.
struct RunStatus {
  bool exists = false;
  bool complete = false;
  uint64_t trained_steps = 0;
  uint64_t last_checkpoint = 0;    // version
  uint64_t first_report_step = 1;  // MonitorOptions::first_step for a coordinator started now
  Digest run_digest;               // after trained_steps
};
Result<RunStatus> inspect_run(FileSystem& fs, const std::filesystem::path& run_dir);

// Over the rows' text, in order.
Digest digest_of_rows(const std::vector<std::string>& rows);

}  // namespace prosodia
