// The share of a run's wall time that went into steps: effective training time ratio, as ByteRobust and MegaScale
// report it. Everything else is start-up after a fault or a stop, and work of steps that had to be done again.
//
//   ratio = sum of the steps' times / (end of the newest step - begin of the first step)
//
// A step's time is its step_time; the first step of a coordinator process has none (nothing to measure from) and counts
// with its phases, one after the other. Steps must come in order, from metrics.jsonl after a restart and then as they
// end, so that the time between two processes is in the denominator. Before the first step of a run nothing is counted.
//
// Value type, single thread, cannot fail.
#pragma once

#include <algorithm>

#include "orchestrator/monitor/step_report.h"

namespace prosodia {

class EffectiveTraining {
 public:
  void add(const StepReport& report) {
    const double spent = seconds_of(report);
    if (productive_s_ == 0) begin_ = report.wall_time - spent;
    productive_s_ += spent;
    elapsed_s_ = std::max(elapsed_s_, report.wall_time - begin_);
  }
  // In [0, 1]; 1 before the first step.
  double ratio() const { return elapsed_s_ > 0 ? std::min(1.0, productive_s_ / elapsed_s_) : 1.0; }

 private:
  static double seconds_of(const StepReport& report) {
    const auto step = report.metrics.find(metric::kStepTime);
    if (step != report.metrics.end() && step->second > 0) return step->second;
    double phases = 0;
    for (const char* phase : {"rollout", "reward", "train"}) {
      const auto found = report.phase_seconds.find(phase);
      if (found != report.phase_seconds.end()) phases += std::max(0.0, found->second);
    }
    return phases;
  }

  double begin_ = 0, productive_s_ = 0, elapsed_s_ = 0;
};

}  // namespace prosodia
