// RUN/metrics.jsonl (one line per step) and RUN/completions.jsonl (one line per sampled response): writing, cutting
// back on resume, reading. Every line begins with {"step":N, — that is what the cut looks at.
//
// Called by MonitorSinks, `report` and `watch`. Single thread. Failures: kStorage; a malformed line while reading is
// kInvalidInput with file and line number.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "data/store/fs.h"
#include "orchestrator/monitor/step_report.h"
#include "orchestrator/monitor/whole_appender.h"

namespace prosodia {

// Appends lines. Opening cuts the file before the first line whose step is >= first_step (a resumed run writes those
// again) and before a torn last line.
class JsonlFile {
 public:
  static Result<std::unique_ptr<JsonlFile>> open(FileSystem&, const std::filesystem::path&, uint64_t first_step);
  // Adds lines; they reach the operating system with flush(), the disk with sync(). Non-finite numbers become null.
  void add(const nlohmann::ordered_json& line);
  Status flush();
  Status sync();

 private:
  explicit JsonlFile(WholeAppender file) : file_(std::move(file)) {}
  WholeAppender file_;
  std::string buffer_;
};

// {"step":12,"total_steps":100,"wall_time":…,"reward":0.5,…,"timing_s/rollout":3.2}: flat, so that pandas reads it.
nlohmann::ordered_json metrics_line(const StepReport&);
Result<StepReport> parse_metrics_line(std::string_view line);   // no samples
Result<StepReport> step_report_of(const nlohmann::json& line);  // parsed already
// All steps of a metrics.jsonl; a torn last line is passed over. A missing file has no steps.
Result<std::vector<StepReport>> read_metrics(FileSystem&, const std::filesystem::path&);

struct LoggedResponse {
  uint64_t step = 0;
  SampledResponse response;
};
nlohmann::ordered_json completion_line(const LoggedResponse&);
Result<LoggedResponse> parse_completion_line(std::string_view line);
LoggedResponse logged_response_of(const nlohmann::json& object);
// The last `count` of a completions.jsonl, oldest first. Memory: the last lines only.
Result<std::vector<LoggedResponse>> read_last_completions(FileSystem&, const std::filesystem::path&, size_t count);

}  // namespace prosodia
