#include "orchestrator/monitor/run_history.h"

#include <algorithm>
#include <cmath>

namespace prosodia {

void RunHistory::put(const std::string& name, double step, double value) {
  if (std::isfinite(value)) series_[name].push_back({step, value});
}

void RunHistory::add(const StepReport& report) {
  const auto step = static_cast<double>(report.step);
  for (const auto& [name, value] : report.metrics) put(name, step, value);
  for (const auto& [phase, seconds] : report.phase_seconds) put("timing_s/" + phase, step, seconds);
  if (last_step_ == 0) {
    first_step_ = report.step;
    first_wall_time_ = report.wall_time;
  }
  last_step_ = std::max(last_step_, report.step);
  total_steps_ = std::max(total_steps_, report.total_steps);
  last_wall_time_ = report.wall_time;
}

bool is_drawn_unsmoothed(std::string_view name) {
  constexpr std::string_view kExact[] = {metric::kGate, metric::kLearningRate,      "run/staleness",
                                         "eval_loss",   "eval_mean_token_accuracy", metric::kEffectiveTraining};
  return std::ranges::find(kExact, name) != std::end(kExact);
}

std::vector<RunHistory::Value> RunHistory::smooth(std::span<const Value> values, double window) {
  std::vector<Value> out(values.begin(), values.end());
  if (window <= 1) return out;
  const double decay = 1 - 2 / (window + 1);
  double average = 0, weight = 0;
  for (Value& value : out) {
    average = decay * average + (1 - decay) * value.value;
    weight = decay * weight + (1 - decay);
    value.value = average / weight;
  }
  return out;
}

std::vector<CurvePoint> RunHistory::curve(const std::string& metric, size_t max_points) const {
  const auto it = series_.find(metric);
  if (it == series_.end()) return {};
  const std::vector<Value>& points = it->second;
  const double window = is_drawn_unsmoothed(metric) ? 1 : static_cast<double>(points.size()) / 20;
  const std::vector<Value> smoothed = smooth(points, window);
  std::vector<CurvePoint> all;
  for (size_t i = 0; i < points.size(); ++i) all.push_back({points[i].step, points[i].value, smoothed[i].value});
  const size_t stride = (all.size() + max_points - 1) / std::max<size_t>(max_points, 1);
  if (stride <= 1) return all;
  std::vector<CurvePoint> thinned;
  for (size_t begin = 0; begin < all.size(); begin += stride) {
    const size_t end = std::min(begin + stride, all.size());
    CurvePoint sum;
    for (size_t i = begin; i < end; ++i) sum.value += all[i].value;
    thinned.push_back({all[end - 1].step, sum.value / static_cast<double>(end - begin), all[end - 1].smoothed});
  }
  return thinned;
}

std::vector<std::string> RunHistory::names_with_prefix(const std::string& prefix) const {
  std::vector<std::string> names;
  for (auto it = series_.lower_bound(prefix); it != series_.end() && it->first.starts_with(prefix); ++it)
    names.push_back(it->first);
  return names;
}

std::span<const RunHistory::Value> RunHistory::values(const std::string& metric) const {
  const auto it = series_.find(metric);
  return it == series_.end() ? std::span<const Value>() : std::span<const Value>(it->second);
}

double RunHistory::last(const std::string& metric) const {
  const auto it = series_.find(metric);
  return it == series_.end() ? std::nan("") : it->second.back().value;
}

}  // namespace prosodia
