// Where step reports go. The coordinator holds one MetricsSink (normally MonitorSinks, monitor_sinks.h).
//
// Called from the coordinator's event loop: one thread, once per step, in step order. An error is kStorage and means
// that the report may be incomplete on disk; the sink stays usable.
#pragma once

#include "data/base/status.h"
#include "orchestrator/monitor/step_report.h"

namespace prosodia {

class MetricsSink {
 public:
  virtual ~MetricsSink() = default;
  virtual Status on_step(StepReport) = 0;
  // Makes everything so far durable. Call before a checkpoint commits: steps before it are never reported again.
  virtual Status sync() = 0;
  // The run ends (finished, interrupted or failed): final pictures, then sync.
  virtual Status finish() = 0;
};

}  // namespace prosodia
