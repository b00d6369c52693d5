#include "reward/group_reward.h"

#include <cmath>

#include "data/base/check.h"

namespace prosodia {
namespace {

Status check_weight(std::string_view option, double value) {
  if (std::isfinite(value) && value >= 0) return {};
  return fail(ErrorCode::kUsage, "{}: expected a number >= 0, got {}", option, value);
}

AbsenceReason absence_for(ScoreStatus status) {
  switch (status) {
    case ScoreStatus::kValue:
      return AbsenceReason::kNone;
    case ScoreStatus::kTimeout:
      return AbsenceReason::kReasoningTimeout;
    case ScoreStatus::kUnparsable:
      return AbsenceReason::kReasoningUnparsable;
    case ScoreStatus::kError:
    case ScoreStatus::kNotRequested:
      return AbsenceReason::kReasoningError;
  }
  return AbsenceReason::kReasoningError;
}

ResponseReward base_reward(const RuleReward& rule, const ReasoningScore* score, const RewardWeights& weights) {
  ResponseReward reward;
  reward.format = rule.format;
  reward.accuracy = rule.accuracy;
  reward.faithfulness = rule.faithfulness;
  if (!score) return reward;
  reward.reasoning_status = score->status;
  if (score->status == ScoreStatus::kValue) {
    reward.criteria = score->criteria;
    reward.reasoning = reasoning_reward(score->criteria, weights);
  }
  return reward;
}

}  // namespace

Status validate(const RewardWeights& weights) {
  PROSODIA_TRY(check_weight("format_weight", weights.format));
  PROSODIA_TRY(check_weight("accuracy_weight", weights.accuracy));
  PROSODIA_TRY(check_weight("reasoning_weight", weights.reasoning));
  double sum = 0;
  for (const double weight : weights.criteria) {
    PROSODIA_TRY(check_weight("criteria_weights", weight));
    sum += weight;
  }
  if (std::abs(sum - 1) > 1e-6) {
    return fail(ErrorCode::kUsage, "criteria_weights: expected four numbers that sum to 1, got the sum {}", sum);
  }
  return {};
}

Status validate(const RewardOptions& options) {
  PROSODIA_TRY(validate(options.weights));
  return validate(options.trust);
}

std::string_view name(AbsenceReason reason) {
  switch (reason) {
    case AbsenceReason::kNone:
      return "none";
    case AbsenceReason::kReasoningTimeout:
      return "reasoning_timeout";
    case AbsenceReason::kReasoningUnparsable:
      return "reasoning_unparsable";
    case AbsenceReason::kReasoningError:
      return "reasoning_error";
  }
  return "?";
}

double reasoning_reward(const Criteria& criteria, const RewardWeights& weights) {
  double sum = 0;
  for (size_t j = 0; j < kNumCriteria; ++j) {
    PROSODIA_CHECK(criteria[j] >= 1 && criteria[j] <= 5, "grade {} is {}", j, criteria[j]);
    sum += weights.criteria[j] * criteria[j] / 5;
  }
  return sum;
}

bool reasoning_counts(double gate, const RewardOptions& options) { return gate > 0 && options.weights.reasoning > 0; }

GroupReward combine_rewards(std::span<const RuleReward> rules, std::span<const ReasoningScore> reasoning, double gate,
                            const RewardOptions& options) {
  PROSODIA_CHECK(gate >= 0 && gate <= 1, "gate {}", gate);
  const bool counts = reasoning_counts(gate, options);
  PROSODIA_CHECK(reasoning.size() == rules.size() || (reasoning.empty() && !counts), "{} responses, {} scores, gate {}",
                 rules.size(), reasoning.size(), gate);
  GroupReward group;
  group.gate = gate;
  std::vector<double> accuracy, values;
  for (size_t i = 0; i < rules.size(); ++i) {
    group.responses.push_back(base_reward(rules[i], reasoning.empty() ? nullptr : &reasoning[i], options.weights));
    accuracy.push_back(rules[i].accuracy);
    values.push_back(group.responses.back().reasoning);
  }
  const Trust trust = trust_weight(accuracy, values, options.trust);
  group.tau = trust.tau;
  group.trust_case = trust.trust_case;
  for (ResponseReward& reward : group.responses) {
    if (counts && reward.reasoning_status != ScoreStatus::kValue) {
      reward.present = false;
      reward.absence = absence_for(reward.reasoning_status);
      continue;
    }
    reward.total = options.weights.format * reward.format + options.weights.accuracy * reward.accuracy;
    if (counts) reward.total += gate * options.weights.reasoning * group.tau * reward.reasoning;
  }
  return group;
}

}  // namespace prosodia
