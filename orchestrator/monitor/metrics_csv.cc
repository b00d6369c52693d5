#include "orchestrator/monitor/metrics_csv.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>
#include <vector>

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

}  // namespace

std::string metrics_csv(std::span<const StepReport> reports, MetricNames names) {
  std::vector<std::map<std::string, double>> rows;
  std::set<std::string> columns;
  for (const StepReport& report : reports) {
    rows.push_back(shown_values(report, names));
    for (const auto& [name, value] : rows.back()) columns.insert(name);
  }
  std::string out = "step,wall_time";
  for (const std::string& name : columns) out += "," + quoted(name);
  out += "\n";
  for (size_t i = 0; i < reports.size(); ++i) {
    out += fmt::format("{},{}", reports[i].step, reports[i].wall_time);
    for (const std::string& name : columns) {
      const auto cell = rows[i].find(name);
      out += cell == rows[i].end() || !std::isfinite(cell->second) ? "," : fmt::format(",{}", cell->second);
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
