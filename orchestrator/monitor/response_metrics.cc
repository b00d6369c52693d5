#include "orchestrator/monitor/response_metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <vector>

#include "data/base/status.h"

namespace prosodia {
namespace {

using Metrics = std::map<std::string, double>;
using Value = std::function<std::optional<double>(const SampledResponse&)>;  // nullopt: this response has none

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double standard_deviation(const std::vector<double>& values) {  // ddof 1; 0 for one value
  if (values.size() < 2) return 0;
  const double center = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - center) * (value - center);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

std::vector<double> collect(std::span<const SampledResponse> responses, const Value& value,
                            std::optional<bool> correct = std::nullopt) {
  std::vector<double> values;
  for (const SampledResponse& response : responses) {
    if (correct && *correct != (response.accuracy >= 0.5)) continue;
    if (const auto found = value(response)) values.push_back(*found);
  }
  return values;
}

void put_mean(Metrics& metrics, const std::string& name, const std::vector<double>& values) {
  if (!values.empty()) metrics[name] = mean(values);
}

void add_component(Metrics& metrics, std::span<const SampledResponse> responses, const std::string& name,
                   const Value& value) {
  const auto all = collect(responses, value);
  if (all.empty()) return;
  metrics[fmt::format("rewards/{}/mean", name)] = mean(all);
  metrics[fmt::format("rewards/{}/std", name)] = standard_deviation(all);
  if (name == "accuracy") return;
  put_mean(metrics, fmt::format("rewards/{}/mean_correct", name), collect(responses, value, true));
  put_mean(metrics, fmt::format("rewards/{}/mean_wrong", name), collect(responses, value, false));
}

void add_components(Metrics& metrics, std::span<const SampledResponse> responses) {
  const auto scored = [](const SampledResponse& r) { return r.reasoning_status == "value"; };
  add_component(metrics, responses, "format", [](const auto& r) { return std::optional(r.format); });
  add_component(metrics, responses, "accuracy", [](const auto& r) { return std::optional(r.accuracy); });
  add_component(metrics, responses, "reasoning",
                [&](const auto& r) { return scored(r) ? std::optional(r.reasoning) : std::nullopt; });
  add_component(metrics, responses, "faithfulness",
                [](const auto& r) { return r.has_faithfulness ? std::optional(r.faithfulness) : std::nullopt; });
  for (size_t i = 0; i < kCriterionNames.size(); ++i)
    add_component(metrics, responses, kCriterionNames[i],
                  [&](const auto& r) { return scored(r) ? std::optional(r.criteria[i]) : std::nullopt; });
}

void add_groups(Metrics& metrics, std::span<const SampledResponse> responses) {
  std::map<uint64_t, std::vector<double>> totals;
  std::map<uint64_t, double> trust;
  for (const SampledResponse& response : responses) {
    auto& group = totals[response.group_id];
    if (response.present) group.push_back(response.total);
    if (response.reasoning_status == "value") trust[response.group_id] = response.trust;
  }
  const auto flat = std::count_if(totals.begin(), totals.end(),
                                  [](const auto& group) { return standard_deviation(group.second) <= 1e-8; });
  metrics[metric::kFracRewardZeroStd] = static_cast<double>(flat) / static_cast<double>(totals.size());
  std::vector<double> taus;
  for (const auto& [group, tau] : trust) taus.push_back(tau);
  put_mean(metrics, metric::kTrust, taus);
  put_mean(metrics, metric::kGate, collect(responses, [](const auto& r) { return std::optional(r.gate); }));
}

void add_missing(Metrics& metrics, std::span<const SampledResponse> responses) {
  double absent = 0;
  for (const SampledResponse& response : responses) {
    absent += response.present ? 0 : 1;
    if (!response.reasoning_status.empty() && response.reasoning_status != "value")
      metrics["reward/missing_" + response.reasoning_status] += 1;
  }
  metrics["reward/frac_missing"] = absent / static_cast<double>(responses.size());
}

void add_lengths(Metrics& metrics, std::span<const SampledResponse> responses) {
  const auto length = [](const SampledResponse& r) { return std::optional(static_cast<double>(r.num_tokens)); };
  const auto ended = [&](const SampledResponse& r) { return r.finish_reason == "stop" ? length(r) : std::nullopt; };
  const auto put = [&](const std::string& suffix, const std::vector<double>& values) {
    metrics["completions/mean_" + suffix] = mean(values);
    metrics["completions/min_" + suffix] = *std::min_element(values.begin(), values.end());
    metrics["completions/max_" + suffix] = *std::max_element(values.begin(), values.end());
  };
  put("length", collect(responses, length));
  auto terminated = collect(responses, ended);
  metrics[metric::kClippedRatio] = 1 - static_cast<double>(terminated.size()) / static_cast<double>(responses.size());
  if (terminated.empty()) terminated.push_back(0);  // as TRL
  put("terminated_length", terminated);
}

}  // namespace

Metrics response_metrics(std::span<const SampledResponse> responses) {
  Metrics metrics;
  if (responses.empty()) return metrics;
  const auto totals =
      collect(responses, [](const auto& r) { return r.present ? std::optional(r.total) : std::nullopt; });
  if (!totals.empty()) {
    metrics[metric::kReward] = mean(totals);
    metrics[metric::kRewardStd] = standard_deviation(totals);
  }
  add_components(metrics, responses);
  add_groups(metrics, responses);
  add_missing(metrics, responses);
  add_lengths(metrics, responses);
  return metrics;
}

}  // namespace prosodia
