// GET /metrics: a LiveStatus as Prometheus text, version 0.0.4 (and valid OpenMetrics but for its type line). Every
// name begins with "prosodia_", units are in the names, counters end in _total, labels come from small fixed sets
// (roles, states, reasons, phases), never from rows, workers or paths. Families are listed in prometheus.cc and in
// METRICS.md; they are stable: dashboards and alerts in scripts/monitoring use them.
//
// Pure; any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "orchestrator/monitor/live_status.h"

namespace prosodia {

// What the serving process measures when it is asked.
struct HostFacts {
  std::string version;
  double now = 0;                                          // Unix seconds
  std::optional<double> disk_free_bytes, disk_size_bytes;  // where the run folder lies
  std::optional<double> cpu_seconds, resident_bytes, open_files;
};
HostFacts measure_host(const std::filesystem::path& run_dir, double now);

std::string prometheus_text(const LiveStatus& status, const HostFacts& host);

// A counter family that the coordinator may fill (CounterView::family). `label` "" = one sample without a label.
struct CounterFamily {
  std::string_view name;  // without prefix and _total
  std::string_view label;
  std::string_view help;
};
std::span<const CounterFamily> counter_families();

}  // namespace prosodia
