// prosodia report: a page of one or several runs, or the metrics of one as CSV, or its phases as one Chrome trace.
#include <fmt/core.h>

#include <filesystem>

#include "data/store/atomic_file.h"
#include "data/store/fs.h"
#include "data/trace/trace_reader.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/run_report_input.h"
#include "orchestrator/monitor/curves.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/metric_table.h"
#include "orchestrator/monitor/metrics_csv.h"
#include "orchestrator/report/report.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;

Status export_csv(const Options& options, const fs::path& run) {
  const auto names = options.text("metric_names") == "verl" ? MetricNames::kVerl : MetricNames::kTrl;
  return write_metrics_csv(posix_file_system(), run, options.text("csv"), names);
}

Status export_trace(const Options& options, const fs::path& run) {
  PROSODIA_ASSIGN(const std::string trace, merged_trace(posix_file_system(), run));
  return write_file_atomic(posix_file_system(), options.text("chrome_trace"), trace);
}

Status draw_curves(const RunInput& run) {
  PROSODIA_ASSIGN(const auto reports, read_metrics(posix_file_system(), run.dir / "metrics.jsonl"));
  RunHistory history;
  for (const StepReport& report : reports) history.add(report);
  return write_file_atomic(posix_file_system(), run.dir / "curves.svg", curves_svg(history, run.name));
}

Result<int> write_page(const Options& options, const std::vector<std::string>& folders) {
  std::vector<RunInput> runs;
  for (const std::string& folder : folders) runs.push_back(report_input(folder));
  const fs::path page =
      options.text("output").empty() ? runs.front().dir / "report.html" : fs::path(options.text("output"));
  PROSODIA_TRY(write_report(
      posix_file_system(), runs,
      {.max_megabytes = options.real("max_mb"), .audio_clips = static_cast<size_t>(options.integer("audio"))}, page));
  for (const RunInput& run : runs) PROSODIA_TRY(draw_curves(run));
  fmt::print("wrote {}, {:.1f} MB: open it in a browser\n", page.string(),
             static_cast<double>(fs::file_size(page)) / 1e6);
  return 0;
}

}  // namespace

Result<int> run_report(const Options& options, const CommandContext&) {
  if (options.flag("list_metrics")) {
    fmt::print("{}", metrics_markdown());
    return 0;
  }
  PROSODIA_TRY(options.required("run"));
  const std::vector<std::string> runs = options.list("run");
  using Export = Status (*)(const Options&, const fs::path&);
  const std::pair<const char*, Export> exports[] = {{"csv", export_csv}, {"chrome_trace", export_trace}};
  for (const auto& [option, write] : exports) {
    if (options.text(option).empty()) continue;
    if (runs.size() > 1) return fail(ErrorCode::kUsage, "--{} is for one run, {} were given", option, runs.size());
    PROSODIA_TRY(write(options, runs.front()));
    fmt::print("wrote {}\n", options.text(option));
    return 0;
  }
  return write_page(options, runs);
}

}  // namespace prosodia::cli
