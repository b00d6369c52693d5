// RUN/metrics.jsonl as a table: one row a step, one column a metric, for spreadsheets and R. A metric that a step does
// not have is an empty cell.
//
// Called by `report --csv`. kInvalidInput when the run has no steps; kStorage when the file cannot be written. Whole or
// not at all.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "data/store/fs.h"
#include "orchestrator/monitor/metric_table.h"
#include "orchestrator/monitor/step_report.h"

namespace prosodia {

// RFC 4180: names quoted where they must be. Columns: step, wall_time, then the metrics in order of their names.
std::string metrics_csv(std::span<const StepReport> reports, MetricNames names);

Status write_metrics_csv(FileSystem& fs, const std::filesystem::path& run_dir, const std::filesystem::path& csv,
                         MetricNames names);

}  // namespace prosodia
