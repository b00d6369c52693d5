// All outputs of a run behind one object: RUN/metrics.jsonl, RUN/completions.jsonl, a TensorBoard event file, one
// progress line per step, RUN/curves.svg and RUN/report.html.
//
// Called by the coordinator: open() at start, on_step() once per step, sync() before a checkpoint, finish() at the end.
// Single thread. After a restart from a checkpoint the files are cut back to `first_step`, so no step is there twice.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "data/store/fs.h"
#include "orchestrator/monitor/metrics_sink.h"

namespace prosodia {

struct MonitorOptions {
  std::filesystem::path run_dir;
  std::string run_name;          // title of the report; empty = the folder's name
  uint64_t first_step = 1;       // the first StepReport::step this process will report
  double start_time = 0;         // Unix seconds
  std::string host;              // for the event file's name; empty = gethostname()
  std::FILE* progress = stderr;  // null = no progress lines
  int progress_columns = 0;      // 0 = the terminal's width, 120 when it is none
  bool tensorboard = true;
  size_t log_completions = 64;   // responses per step written to completions.jsonl
  size_t report_samples = 24;    // newest responses shown in the report
  double picture_period_s = 20;  // curves.svg and report.html are redrawn at most this often, and at the end
};

Result<std::unique_ptr<MetricsSink>> open_monitor(FileSystem&, MonitorOptions);

}  // namespace prosodia
