// What the coordinator shows of itself while it runs: about once a second a LiveStatus by value from RunCore, onto a
// StatusBoard, from where RUN/status.json and the metrics port get it on threads of their own.
//
// Thread rule: every on_… on the coordinator's thread; none of them touches a disk or a socket. Cannot fail: a port
// that is taken and a disk that is full are logged and the run goes on.
#pragma once

#include <atomic>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>

#include "orchestrator/coordinator/worker_rates.h"
#include "orchestrator/core/run_core.h"
#include "orchestrator/monitor/metrics_server.h"
#include "orchestrator/monitor/status_board.h"
#include "orchestrator/monitor/status_file.h"

namespace prosodia {

struct TelemetryOptions {
  std::filesystem::path run_dir;
  std::string metrics_address = "127.0.0.1";
  int metrics_port = 0;      // 0 = no metrics port
  int64_t period_ms = 1000;  // between statuses
};

class Telemetry {
 public:
  // `stop`: the run's stop flag, to be told apart from running; outlives this.
  Telemetry(TelemetryOptions options, const std::atomic<bool>& stop);

  void on_record(const core::Record& record, int64_t now_ms);  // journaled for the first time
  void on_report(const StepReport& report);                    // a finished step, also of an earlier process
  void on_journal_sync(double seconds);
  void on_tick(const core::RunCore& core, int64_t now_ms, double wall_time);
  void on_end(const Status& outcome, double wall_time);

  const StatusBoard& board() const { return board_; }

 private:
  LiveStatus status_of(const core::RunCore& core, int64_t now_ms, double wall_time);
  void add_workers(LiveStatus& status, const core::RunCore& core, int64_t now_ms);
  WorkerView view_of(const core::Worker& worker, const std::string& learner_state, int64_t now_ms);
  void add_counters(LiveStatus& status, const core::Counters& counters) const;

  TelemetryOptions options_;
  const std::atomic<bool>& stop_;
  double start_time_ = 0;
  int64_t next_ms_ = 0;
  WorkerRates rates_;
  StepReport newest_;
  std::deque<LoggedResponse> responses_;
  double tokens_sampled_ = 0, scored_ = 0, unscored_ = 0, syncs_ = 0, sync_seconds_ = 0;
  std::map<std::string, double> scores_missing_;  // by reason
  StatusBoard board_;
  std::unique_ptr<MetricsServer> server_;  // null: no port
  StatusFile file_;                        // last: they use the board
};

}  // namespace prosodia
