// The coordinator's one object: see coordinator.h for what it does and README.md for how. Private to this folder.
//   coordinator.cc           start, socket, event loop, group commit
//   coordinator_recover.cc   journal: replay, reload, retirement
//   coordinator_steps.cc     step reports, archive
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "data/store/journal.h"
#include "orchestrator/coordinator/archive.h"
#include "orchestrator/coordinator/control_port.h"
#include "orchestrator/coordinator/coordinator.h"
#include "orchestrator/coordinator/journal_retirement.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia {

class Coordinator {
 public:
  Coordinator(const CoordinatorOptions& options, MetricsSink& sink, std::atomic<bool>& stop)
      : options_(options), sink_(sink), stop_(stop) {}

  Status run();

 private:
  // coordinator.cc
  Status listen();
  Status loop();
  Status drive(core::Actions actions);
  Status commit(std::span<core::Action> actions);
  Status perform(core::Action& action);
  void conclude(Status outcome);

  // coordinator_recover.cc
  Status recover();
  Status open_journal();
  Status report_again();
  Status reload(const core::Reload& request);
  Status reload_archived(const core::Reload& request);
  Status retire_journal();

  // coordinator_steps.cc
  Status on_step_finished(StepId step);
  Status report(StepId step);
  void trace_step(StepId step) const;
  Status archive_through(uint64_t end);
  Status drop_old_segments();

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
  std::vector<Segment> segments_;  // of the archive, ascending
  uint64_t archived_ = 0;          // steps below are in segments, or were dropped from them
  JournalRetirement retirement_;
  double sync_seconds_ = 0;  // since the last report
  uint64_t syncs_ = 0;
};

}  // namespace prosodia
