// Every metric of a run, once: name, unit, meaning, who computes it, when it is there, what verl calls it, and its
// family in /metrics. METRICS.md is generated from this table, TensorBoard's and the CSV's names come from it, `watch`
// shows its texts, and a test compares it with the metrics that a real run wrote.
//
// Constant data and pure functions; any thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "orchestrator/monitor/step_report.h"

namespace prosodia {

struct MetricInfo {
  std::string_view name;         // TRL's where TRL has it; "<x>" stands for any text without "/", "<x…>" for any text
  std::string_view unit;         // "tokens", "seconds", "nats", "ratio" (0 to 1), "score", "count", …
  std::string_view meaning;      // one line
  std::string_view source;       // responses | learner | coordinator | monitor | sft
  std::string_view when;         // "" = every step of `train`; else the condition
  std::string_view verl = "";    // --metric_names verl; "" = verl has no metric of this definition
  std::string_view family = "";  // in /metrics, behind "prosodia_"; "" = not there
  std::string_view label = "";   // of that family: component="format"
};
std::span<const MetricInfo> metric_table();

// The row that a metric's name matches; nullptr when it is not listed.
const MetricInfo* find_metric(std::string_view name);

enum class MetricNames { kTrl, kVerl };
// The name under which TensorBoard and CSV show a metric.
std::string shown_name(std::string_view name, MetricNames names);

// The numbers of a step under the names shown; phase times become "timing_s/<phase>".
std::map<std::string, double> shown_values(const StepReport& report, MetricNames names);

// The contents of METRICS.md.
std::string metrics_markdown();

}  // namespace prosodia
