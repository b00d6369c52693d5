// All outputs of a run behind one object: RUN/metrics.jsonl, RUN/completions.jsonl, a TensorBoard event file, one
// progress line per step, RUN/curves.svg and RUN/report.html.
//
// Called by the coordinator: open() at start, on_step() once per step, sync() before a checkpoint, finish() at the end.
// Single thread. After a restart from a checkpoint the files are cut back to `first_step`, so no step is there twice.
#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/store/fs.h"
#include "orchestrator/monitor/metric_table.h"
#include "orchestrator/monitor/metrics_sink.h"

namespace prosodia {

inline constexpr uint32_t kLoggedClipRateHz = 16000;
inline constexpr size_t kLoggedClipSeconds = 15;

struct MonitorOptions {
  std::filesystem::path run_dir;
  std::string run_name;          // title of the report; empty = the folder's name
  uint64_t first_step = 1;       // the first StepReport::step this process will report
  double start_time = 0;         // Unix seconds
  std::string host;              // for the event file's name; empty = gethostname()
  std::FILE* progress = stderr;  // null = no progress lines
  int progress_columns = 0;      // 0 = the terminal's width, 120 when it is none
  bool tensorboard = true;
  MetricNames metric_names = MetricNames::kTrl;  // of TensorBoard's tags; metrics.jsonl keeps its own
  // The clip that a dataset's audio reference names, mono at kLoggedClipRateHz. With it, one clip goes into TensorBoard
  // every audio_period_steps, at most kLoggedClipSeconds of it. A clip that cannot be read is left out.
  std::function<Result<std::vector<float>>(const std::string& reference)> load_clip;
  uint64_t audio_period_steps = 0;  // 0 = no audio
  size_t log_completions = 64;      // responses per step written to completions.jsonl
  size_t report_samples = 24;       // newest responses shown in the report
  // Optional: told of every step as it is written, and at the start of those that are in the files already.
  std::function<void(const StepReport&)> on_report;
  double picture_period_s = 20;  // curves.svg and report.html are redrawn at most this often, and at the end
};

Result<std::unique_ptr<MetricsSink>> open_monitor(FileSystem&, MonitorOptions);

}  // namespace prosodia
