// The curves of a run in memory: every metric's values by step, smoothed and thinned for drawing.
//
// Filled from metrics.jsonl on resume and by `report`, then step by step. Single thread; cannot fail.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "orchestrator/monitor/step_report.h"

namespace prosodia {

struct CurvePoint {
  double step = 0, value = 0, smoothed = 0;
};

// Metrics that are drawn as they are: a switch must look like one, and what is measured now and then is not noise.
bool is_drawn_unsmoothed(std::string_view name);

class RunHistory {
 public:
  struct Value {
    double step = 0, value = 0;
  };
  // Exponential moving average over about `window` values, without bias at the beginning; window <= 1: as they are.
  static std::vector<Value> smooth(std::span<const Value> values, double window);

  void add(const StepReport&);  // phase times become "timing_s/<phase>"; non-finite values are left out
  // At most max_points, each the mean of a range of steps. Smoothed over about a twentieth of the run so far.
  std::vector<CurvePoint> curve(const std::string& metric, size_t max_points = 400) const;
  bool has(const std::string& metric) const { return series_.contains(metric); }
  std::vector<std::string> names_with_prefix(const std::string& prefix) const;
  double last(const std::string& metric) const;                    // NaN when there is none
  std::span<const Value> values(const std::string& metric) const;  // as they came; valid until the next add()

  uint64_t first_step() const { return first_step_; }
  uint64_t last_step() const { return last_step_; }
  uint64_t total_steps() const { return total_steps_; }
  double first_wall_time() const { return first_wall_time_; }
  double last_wall_time() const { return last_wall_time_; }

 private:
  void put(const std::string& name, double step, double value);
  std::map<std::string, std::vector<Value>> series_;
  uint64_t first_step_ = 0, last_step_ = 0, total_steps_ = 0;
  double first_wall_time_ = 0, last_wall_time_ = 0;
};

}  // namespace prosodia
