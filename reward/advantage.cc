#include "reward/advantage.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "data/base/check.h"

namespace prosodia {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Moments {
  int64_t count = 0;
  double mean = kNaN;
  double std = 0;  // ddof 1; exactly 0 when all values are equal or there is one
};

Moments moments(std::span<const double> values) {
  Moments result;
  result.count = static_cast<int64_t>(values.size());
  if (values.empty()) return result;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  if (*low == *high) {  // no rounding: a group of equal rewards teaches exactly nothing
    result.mean = *low;
    return result;
  }
  double sum = 0;
  for (const double value : values) sum += value;
  result.mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.std = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return result;
}

struct Grouped {
  std::vector<double> all;                    // the present rewards, in order
  std::map<int, std::vector<double>> groups;  // ordered: sums do not depend on a hash
};

Grouped collect(std::span<const double> rewards, std::span<const uint8_t> present, std::span<const int> group_of) {
  PROSODIA_CHECK(rewards.size() == present.size() && rewards.size() == group_of.size(),
                 "{} rewards, {} present flags, {} group ids", rewards.size(), present.size(), group_of.size());
  Grouped grouped;
  for (size_t i = 0; i < rewards.size(); ++i) {
    if (!present[i]) continue;
    PROSODIA_CHECK(std::isfinite(rewards[i]), "reward {} of group {} is {}", i, group_of[i], rewards[i]);
    grouped.all.push_back(rewards[i]);
    grouped.groups[group_of[i]].push_back(rewards[i]);
  }
  return grouped;
}

}  // namespace

std::string_view name(ScaleRewards scale) {
  switch (scale) {
    case ScaleRewards::kGroup:
      return "group";
    case ScaleRewards::kBatch:
      return "batch";
    case ScaleRewards::kNone:
      return "none";
  }
  return "?";
}

Result<ScaleRewards> parse_scale_rewards(std::string_view text) {
  for (const auto scale : {ScaleRewards::kGroup, ScaleRewards::kBatch, ScaleRewards::kNone}) {
    if (text == name(scale)) return scale;
  }
  return fail(ErrorCode::kUsage, "scale_rewards: expected group, batch or none, got '{}'", text);
}

std::vector<double> advantages(std::span<const double> rewards, std::span<const uint8_t> present,
                               std::span<const int> group_of, const AdvantageOptions& options) {
  PROSODIA_CHECK(options.eps > 0, "eps {}", options.eps);
  const Grouped grouped = collect(rewards, present, group_of);
  std::map<int, Moments> by_group;
  for (const auto& [group, values] : grouped.groups) by_group[group] = moments(values);
  const double batch_std = moments(grouped.all).std;

  std::vector<double> result(rewards.size(), 0.0);
  for (size_t i = 0; i < rewards.size(); ++i) {
    if (!present[i]) continue;
    const Moments& group = by_group[group_of[i]];
    const double centred = rewards[i] - group.mean;
    switch (options.scale_rewards) {
      case ScaleRewards::kGroup:
        result[i] = centred / (group.std + options.eps);
        break;
      case ScaleRewards::kBatch:
        result[i] = centred / (batch_std + options.eps);
        break;
      case ScaleRewards::kNone:
        result[i] = centred;
        break;
    }
  }
  return result;
}

RewardStats reward_stats(std::span<const double> rewards, std::span<const uint8_t> present,
                         std::span<const int> group_of) {
  const Grouped grouped = collect(rewards, present, group_of);
  const Moments all = moments(grouped.all);
  RewardStats stats;
  stats.present = all.count;
  if (all.count == 0) {
    stats.mean = stats.std = stats.group_std_mean = stats.frac_zero_std = kNaN;
    return stats;
  }
  stats.mean = all.mean;
  stats.std = all.std;
  int64_t flat_groups = 0;
  for (const auto& [group, values] : grouped.groups) {
    const double std = moments(values).std;
    stats.group_std_mean += std;
    flat_groups += std <= 1e-8;  // torch.isclose's absolute tolerance, as in TRL
    stats.singleton_groups += values.size() == 1;
  }
  const auto groups = static_cast<double>(grouped.groups.size());
  stats.group_std_mean /= groups;
  stats.frac_zero_std = static_cast<double>(flat_groups) / groups;
  return stats;
}

}  // namespace prosodia
