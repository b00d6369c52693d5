#include "workers/learner/grpo_metrics.h"

#include <algorithm>
#include <limits>
#include <span>

namespace prosodia {
namespace {

double ratio_of(double sum, double count) { return count > 0 ? sum / count : 0.0; }

struct Spread {
  double sum = 0, count = 0;
  double least = std::numeric_limits<double>::infinity(), most = -std::numeric_limits<double>::infinity();
  void add(double value) {
    sum += value;
    ++count;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  double mean() const { return ratio_of(sum, count); }
  double min() const { return count > 0 ? least : 0.0; }
  double max() const { return count > 0 ? most : 0.0; }
};

}  // namespace

void SequenceTable::add_loss(size_t sequence, const SequenceStats& stats) {
  SequenceStats& mine = rows_[sequence].loss;
  const bool first = mine.tokens == 0;
  mine.tokens = stats.tokens;
  mine.loss += stats.loss;
  mine.kl += stats.kl;
  mine.low_clipped += stats.low_clipped;
  mine.high_clipped += stats.high_clipped;
  mine.ratio += stats.ratio;
  mine.ratio_min = first ? stats.ratio_min : std::min(mine.ratio_min, stats.ratio_min);
  mine.ratio_max = first ? stats.ratio_max : std::max(mine.ratio_max, stats.ratio_max);
}

Status SequenceTable::reduce(Collective& collective) {
  static_assert(sizeof(Row) % sizeof(double) == 0 && std::is_trivially_copyable_v<Row>);
  return collective.all_reduce_sum(
      std::span(reinterpret_cast<double*>(rows_.data()), rows_.size() * sizeof(Row) / sizeof(double)));
}

double batch_loss(const SequenceTable& table, int num_iterations) {
  double loss = 0;
  for (const auto& row : table.rows()) loss += row.loss.loss;
  return loss / num_iterations;
}

Metrics loss_metrics(const GrpoLossOptions& options, const SequenceTable& table, int num_iterations) {
  double tokens = 0, kl = 0, entropy = 0, low = 0, high = 0, difference = 0, ratio = 0;
  Spread low_share, high_share, region_share, differences, ratios_low, ratios_high;
  for (const auto& row : table.rows()) {
    const SequenceStats& s = row.loss;
    if (s.tokens == 0) continue;
    tokens += s.tokens;
    kl += s.kl / num_iterations;
    low += s.low_clipped / num_iterations;
    high += s.high_clipped / num_iterations;
    ratio += s.ratio / num_iterations;
    entropy += row.entropy;
    difference += row.difference;
    differences.add(row.max_difference);
    ratios_low.add(s.ratio_min);
    ratios_high.add(s.ratio_max);
    low_share.add(s.low_clipped / num_iterations / s.tokens);
    high_share.add(s.high_clipped / num_iterations / s.tokens);
    region_share.add((s.low_clipped + s.high_clipped) / num_iterations / s.tokens);
  }
  const bool by_sequence = options.importance_sampling_level == ImportanceSamplingLevel::kSequence;
  Metrics metrics;
  if (options.beta != 0) metrics.emplace_back("kl", ratio_of(kl, tokens));
  metrics.emplace_back("entropy", ratio_of(entropy, tokens));
  metrics.emplace_back("clip_ratio/low_mean", by_sequence ? low_share.mean() : ratio_of(low, tokens));
  metrics.emplace_back("clip_ratio/low_min", low_share.min());
  metrics.emplace_back("clip_ratio/high_mean", by_sequence ? high_share.mean() : ratio_of(high, tokens));
  metrics.emplace_back("clip_ratio/high_max", high_share.max());
  metrics.emplace_back("clip_ratio/region_mean", by_sequence ? region_share.mean() : ratio_of(low + high, tokens));
  metrics.emplace_back("sampling/sampling_logp_difference/mean", ratio_of(difference, tokens));
  metrics.emplace_back("sampling/sampling_logp_difference/max", differences.max());
  metrics.emplace_back("sampling/importance_sampling_ratio/min", ratios_low.min());
  metrics.emplace_back("sampling/importance_sampling_ratio/mean", ratio_of(ratio, tokens));
  metrics.emplace_back("sampling/importance_sampling_ratio/max", ratios_high.max());
  return metrics;
}

Metrics completion_metrics(const GrpoSequences& sequences) {
  Spread all, terminated;
  for (const GrpoSequence& sequence : sequences.all) {
    const auto length = static_cast<double>(sequence.completion->token_ids.size());
    all.add(length);
    if (sequence.completion->finish_reason == protocol::FinishReason::kStop) terminated.add(length);
  }
  return {{"reward", sequences.rewards.mean},
          {"reward_std", sequences.rewards.std},
          {"frac_reward_zero_std", sequences.rewards.frac_zero_std},
          {"completions/mean_length", all.mean()},
          {"completions/min_length", all.min()},
          {"completions/max_length", all.max()},
          {"completions/clipped_ratio", all.count > 0 ? 1.0 - terminated.count / all.count : 0.0},
          {"completions/mean_terminated_length", terminated.mean()},
          {"completions/min_terminated_length", terminated.min()},
          {"completions/max_terminated_length", terminated.max()},
          {"learner/missing_rewards", static_cast<double>(sequences.all.size()) - sequences.rewards.present},
          {"learner/singleton_groups", static_cast<double>(sequences.rewards.singleton_groups)},
          {"rollout/staleness_max", static_cast<double>(sequences.max_staleness)}};
}

}  // namespace prosodia
