// metric_audit METRICS.JSONL…: compares the metrics that runs of `train` wrote with the table (monitor/metric_table.h).
// Complains about a name that is not listed, about a row without a condition that a step lacks, and about one that
// never occurs and gives no reason.
#include <fmt/core.h>

#include <map>
#include <string>

#include "data/store/fs.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/metric_table.h"

namespace prosodia {
namespace {

int audit(int count, char** files) {
  std::map<const MetricInfo*, size_t> steps_with;  // rows without "<…>"
  size_t steps = 0;
  int bad = 0;
  for (int i = 1; i < count; ++i) {
    const auto reports = read_metrics(posix_file_system(), files[i]);
    if (!reports) {
      fmt::print(stderr, "{}\n", reports.error().message);
      return 1;
    }
    for (const StepReport& report : *reports) {
      ++steps;
      auto metrics = report.metrics;
      for (const auto& [phase, seconds] : report.phase_seconds) metrics["timing_s/" + phase] = seconds;
      for (const auto& [name, value] : metrics) {
        const MetricInfo* metric = find_metric(name);
        if (metric == nullptr && ++bad)
          fmt::print(stderr, "{}: step {}: {} is not in the table\n", files[i], report.step, name);
        if (metric != nullptr) ++steps_with[metric];
      }
    }
  }
  for (const MetricInfo& metric : metric_table()) {
    const bool open = metric.name.find('<') != std::string_view::npos;  // several metrics: no count can be right
    const size_t found = steps_with[&metric];
    if (metric.when.empty() && (open ? found == 0 : found != steps) && ++bad)
      fmt::print(stderr, "{} is said to be in every step, but is in {} of {}\n", metric.name, found, steps);
  }
  fmt::print("metric_audit: {} steps, {} of {} rows of the table occurred, {} complaints\n", steps,
             std::count_if(steps_with.begin(), steps_with.end(), [](const auto& entry) { return entry.second > 0; }),
             metric_table().size(), bad);
  return bad == 0 && steps > 0 ? 0 : 1;
}

}  // namespace
}  // namespace prosodia

int main(int argc, char** argv) { return prosodia::audit(argc, argv); }
