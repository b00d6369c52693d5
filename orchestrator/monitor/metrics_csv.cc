#include "orchestrator/monitor/metrics_csv.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "data/store/atomic_file.h"
#include "orchestrator/monitor/jsonl_file.h"

namespace prosodia {
namespace {

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::map<std::string, double> cells_of(const StepReport& report, MetricNames names) {
  std::map<std::string, double> cells;
  for (const auto& [name, value] : report.metrics) cells[shown_name(name, names)] = value;
  for (const auto& [phase, seconds] : report.phase_seconds) cells[shown_name("timing_s/" + phase, names)] = seconds;
  return cells;
}

}  // namespace

std::string metrics_csv(std::span<const StepReport> reports, MetricNames names) {
  std::map<std::string, bool> columns;
  for (const StepReport& report : reports)
    for (const auto& [name, value] : cells_of(report, names)) columns[name] = true;
  std::string out = "step,wall_time";
  for (const auto& [name, there] : columns) out += "," + quoted(name);
  out += "\n";
  for (const StepReport& report : reports) {
    const auto cells = cells_of(report, names);
    out += fmt::format("{},{}", report.step, report.wall_time);
    for (const auto& [name, there] : columns) {
      const auto cell = cells.find(name);
      out += cell == cells.end() || !std::isfinite(cell->second) ? "," : fmt::format(",{}", cell->second);
    }
    out += "\n";
  }
  return out;
}

Status write_metrics_csv(FileSystem& fs, const std::filesystem::path& run_dir, const std::filesystem::path& csv,
                         MetricNames names) {
  PROSODIA_ASSIGN(const auto reports, read_metrics(fs, run_dir / "metrics.jsonl"));
  if (reports.empty())
    return fail(ErrorCode::kInvalidInput,
                "{}: no metrics.jsonl with a finished step: is this the --output_dir of a run?", run_dir.string());
  return write_file_atomic(fs, csv, metrics_csv(reports, names));
}

}  // namespace prosodia
