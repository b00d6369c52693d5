// prosodia report: the pictures of a run from its metrics and responses, or its metrics as CSV.
#include <fmt/core.h>

#include <filesystem>

#include "data/store/fs.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/monitor/curves.h"
#include "orchestrator/monitor/metric_table.h"
#include "orchestrator/monitor/metrics_csv.h"

namespace prosodia::cli {

Result<int> run_report(const Options& options, const CommandContext&) {
  if (options.flag("list_metrics")) {
    fmt::print("{}", metrics_markdown());
    return 0;
  }
  PROSODIA_ASSIGN(const std::filesystem::path run, options.required("run"));
  if (const std::string& csv = options.text("csv"); !csv.empty()) {
    const auto names = options.text("metric_names") == "verl" ? MetricNames::kVerl : MetricNames::kTrl;
    PROSODIA_TRY(write_metrics_csv(posix_file_system(), run, csv, names));
    fmt::print("wrote {}\n", csv);
    return 0;
  }
  constexpr size_t kSamples = 24;
  PROSODIA_TRY(write_report(posix_file_system(), run, run.filename().string(), kSamples));
  fmt::print("wrote {0}/report.html and {0}/curves.svg\n", run.string());
  return 0;
}

}  // namespace prosodia::cli
