// trust.h, group_reward.h, mean_scorer.h.
#include "reward/group_reward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/base/philox.h"
#include "reward/mean_scorer.h"

namespace prosodia {
namespace {

ReasoningScore graded(double grade) { return checked_score({grade, grade, grade, grade}); }
ReasoningScore failed(ScoreStatus status) { return {status, {}, "why"}; }

TEST(Trust, Cases) {
  const TrustOptions options;
  const auto tau = [&](std::vector<double> accuracy, std::vector<double> reasoning, TrustOptions with = {}) {
    return trust_weight(accuracy, reasoning, with);
  };
  EXPECT_EQ(tau({1, 0}, {0.8, 0.8}).tau, 1);
  EXPECT_EQ(tau({1, 0}, {0.9, 0.2}).tau, 1);
  EXPECT_DOUBLE_EQ(tau({1, 0, 0}, {0.4, 0.6, 1.0}).tau, std::exp(-0.4));
  EXPECT_EQ(tau({1, 1}, {0.4, 0.6}).tau, 1);
  EXPECT_EQ(tau({1, 1}, {0.4, 0.6}).trust_case, TrustCase::kAllCorrect);
  EXPECT_EQ(tau({0, 0}, {0.4, 0.6}).tau, 0);
  EXPECT_EQ(tau({0, 0}, {0.4, 0.6}).trust_case, TrustCase::kAllWrong);
  EXPECT_EQ(tau({0, 0}, {0.4, 0.6}, {.all_wrong = 0.3}).tau, 0.3);
  EXPECT_EQ(tau({1}, {0.4}, {.all_correct = 0.7}).tau, 0.7);
  // A response without R_t is in neither set: the group is all wrong then.
  EXPECT_EQ(tau({1, 0}, {kNoValue, 0.5}).trust_case, TrustCase::kAllWrong);
  EXPECT_EQ(tau({1, 0}, {kNoValue, kNoValue}).trust_case, TrustCase::kNoScores);
  EXPECT_TRUE(std::isnan(tau({}, {}).tau));
  EXPECT_EQ(tau({1, 0}, {0.2, 1.0}, {.use_trust = false}).tau, 1);
  EXPECT_EQ(tau({0}, {0.2}, {.use_trust = false}).tau, 1);
}

TEST(Trust, TauIsInRangeAndPermutationInvariant) {
  PhiloxStream random(5);
  for (int round = 0; round < 2000; ++round) {
    std::vector<double> accuracy, reasoning;
    for (uint32_t n = 1 + random.next_below(8); n > 0; --n) {
      accuracy.push_back(random.next_below(2));
      reasoning.push_back(0.2 + 0.8 * random.next_unit());
    }
    const Trust trust = trust_weight(accuracy, reasoning, {});
    if (trust.trust_case == TrustCase::kMixed) {
      EXPECT_GE(trust.tau, std::exp(-0.8));
    }
    EXPECT_GE(trust.tau, 0);
    EXPECT_LE(trust.tau, 1);
    std::vector<double> accuracy2(accuracy.rbegin(), accuracy.rend()), reasoning2(reasoning.rbegin(), reasoning.rend());
    EXPECT_NEAR(trust_weight(accuracy2, reasoning2, {}).tau, trust.tau, 1e-12);
  }
}

TEST(GroupReward, IsTheFormula) {
  const std::vector<RuleReward> rules{{1, 1, 0.9}, {1, 0, 0.1}, {0, 1, kNoValue}, {0, 0, 0}};
  const std::vector<ReasoningScore> scores{graded(3), graded(5), checked_score({1, 2, 3, 4}), graded(4)};
  const GroupReward group = combine_rewards(rules, scores, 1.0, {});
  const double tau = std::exp((0.6 + 0.5) / 2 - (1.0 + 0.8) / 2);
  EXPECT_DOUBLE_EQ(group.tau, tau);
  EXPECT_EQ(group.trust_case, TrustCase::kMixed);
  EXPECT_DOUBLE_EQ(group.responses[0].total, 0.3 + 1 + 0.5 * tau * 0.6);
  EXPECT_DOUBLE_EQ(group.responses[1].total, 0.3 + 0.5 * tau * 1.0);
  EXPECT_DOUBLE_EQ(group.responses[2].total, 1 + 0.5 * tau * 0.5);
  EXPECT_DOUBLE_EQ(group.responses[3].total, 0.5 * tau * 0.8);
  EXPECT_EQ(group.responses[0].faithfulness, 0.9);
  EXPECT_TRUE(std::isnan(group.responses[2].faithfulness));
  EXPECT_DOUBLE_EQ(combine_rewards(rules, scores, 0.25, {}).responses[1].total, 0.3 + 0.125 * tau);
}

TEST(GroupReward, CriteriaWeightsCount) {
  RewardWeights weights;
  weights.criteria = {0.7, 0.1, 0.2, 0};
  EXPECT_DOUBLE_EQ(reasoning_reward({5, 1, 3, 2}, weights), 0.7 + 0.02 + 0.12);
}

TEST(GroupReward, ShutGateNeedsNoScores) {
  const std::vector<RuleReward> rules{{1, 1, kNoValue}, {1, 0, kNoValue}};
  const GroupReward group = combine_rewards(rules, {}, 0, {});
  EXPECT_EQ(group.trust_case, TrustCase::kNoScores);
  for (const auto& response : group.responses) {
    EXPECT_TRUE(response.present);
    EXPECT_EQ(response.reasoning_status, ScoreStatus::kNotRequested);
    EXPECT_TRUE(std::isnan(response.reasoning));
  }
  EXPECT_DOUBLE_EQ(group.responses[0].total, 1.3);
  EXPECT_DOUBLE_EQ(group.responses[1].total, 0.3);
}

TEST(GroupReward, MissingScoreLeavesTheGroupAndIsNeverZero) {
  const std::vector<RuleReward> rules(4, RuleReward{1, 1, 0.5});
  const std::vector<ReasoningScore> scores{graded(4), failed(ScoreStatus::kTimeout), failed(ScoreStatus::kUnparsable),
                                           failed(ScoreStatus::kError)};
  const GroupReward group = combine_rewards(rules, scores, 0.5, {});
  EXPECT_TRUE(group.responses[0].present);
  const AbsenceReason reasons[] = {AbsenceReason::kNone, AbsenceReason::kReasoningTimeout,
                                   AbsenceReason::kReasoningUnparsable, AbsenceReason::kReasoningError};
  for (size_t i = 1; i < 4; ++i) {
    const ResponseReward& response = group.responses[i];
    EXPECT_FALSE(response.present);
    EXPECT_EQ(response.absence, reasons[i]);
    EXPECT_TRUE(std::isnan(response.total));
    EXPECT_EQ(response.format, 1);
    EXPECT_EQ(response.accuracy, 1);
    EXPECT_EQ(response.reasoning_status, scores[i].status);
  }
  // While R_t does not count, nobody leaves for lack of it.
  for (const auto& response : combine_rewards(rules, scores, 0, {}).responses) EXPECT_TRUE(response.present);
  RewardOptions plain;
  plain.weights.reasoning = 0;
  for (const auto& response : combine_rewards(rules, scores, 1, plain).responses) {
    EXPECT_TRUE(response.present);
    EXPECT_DOUBLE_EQ(response.total, 1.3);
  }
}

TEST(GroupReward, BoundsAndPermutation) {
  PhiloxStream random(9);
  for (int round = 0; round < 2000; ++round) {
    std::vector<RuleReward> rules;
    std::vector<ReasoningScore> scores;
    for (uint32_t n = 1 + random.next_below(8); n > 0; --n) {
      rules.push_back({double(random.next_below(2)), double(random.next_below(2)), random.next_unit()});
      Criteria criteria;
      for (double& grade : criteria) grade = 1 + 4.0 * random.next_unit();
      scores.push_back(random.next_below(6) ? checked_score(criteria) : failed(ScoreStatus::kTimeout));
    }
    const double gate = random.next_unit();
    const GroupReward group = combine_rewards(rules, scores, gate, {});
    std::vector<RuleReward> rules2(rules.rbegin(), rules.rend());
    std::vector<ReasoningScore> scores2(scores.rbegin(), scores.rend());
    const GroupReward mirrored = combine_rewards(rules2, scores2, gate, {});
    for (size_t i = 0; i < rules.size(); ++i) {
      const ResponseReward& response = group.responses[i];
      const ResponseReward& mirror = mirrored.responses[rules.size() - 1 - i];
      EXPECT_EQ(response.present, mirror.present);
      if (!response.present) continue;
      EXPECT_GE(response.reasoning, 0.2);
      EXPECT_LE(response.reasoning, 1.0);
      EXPECT_GE(response.total, 0.3 * response.format + response.accuracy);
      EXPECT_LE(response.total, 1.8);
      EXPECT_NEAR(response.total, mirror.total, 1e-12);
    }
  }
}

TEST(GroupReward, OptionsAreValidated) {
  EXPECT_TRUE(validate(RewardOptions{}));
  const auto message = [](auto change) {
    RewardOptions options;
    change(options);
    const auto status = validate(options);
    return status ? std::string() : status.error().message;
  };
  EXPECT_NE(message([](auto& o) { o.weights.format = -1; }).find("format_weight"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.weights.reasoning = NAN; }).find("reasoning_weight"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.weights.criteria = {1, 1, 0, 0}; }).find("sum to 1"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.weights.criteria = {1.5, -0.5, 0, 0}; }).find("criteria"), std::string::npos);
  EXPECT_NE(message([](auto& o) { o.trust.all_wrong = 1.5; }).find("trust_all_wrong"), std::string::npos);
}

TEST(ReasoningScore, OutOfRangeGradesAreNoValue) {
  EXPECT_EQ(graded(1).status, ScoreStatus::kValue);
  EXPECT_EQ(graded(5).status, ScoreStatus::kValue);
  for (const double grade : {0.0, 0.99, 5.01, double(NAN), double(INFINITY), -3.0}) {
    const auto score = checked_score({3, 3, grade, 3});
    EXPECT_EQ(score.status, ScoreStatus::kUnparsable) << grade;
    EXPECT_NE(score.detail.find("caption_completeness"), std::string::npos);
  }
}

class FixedScorer : public ReasoningScorer {
 public:
  explicit FixedScorer(std::vector<ReasoningScore> scores) : scores_(std::move(scores)) {}
  std::vector<ReasoningScore> score(const ScoringRequest&, std::stop_token) override { return scores_; }
  std::string_view scorer_name() const override { return "fixed"; }

 private:
  std::vector<ReasoningScore> scores_;
};

TEST(MeanScorer, AveragesAndPassesFailuresOn) {
  std::vector<std::unique_ptr<ReasoningScorer>> scorers;
  scorers.push_back(std::make_unique<FixedScorer>(
      std::vector{checked_score({1, 2, 3, 4}), graded(3), failed(ScoreStatus::kTimeout)}));
  scorers.push_back(std::make_unique<FixedScorer>(
      std::vector{checked_score({3, 4, 5, 5}), failed(ScoreStatus::kUnparsable), graded(3)}));
  MeanScorer mean(std::move(scorers));
  const nlohmann::json row;
  const std::vector<std::string> responses(3);
  const auto scores = mean.score({row, responses}, {});
  ASSERT_EQ(scores.size(), 3u);
  EXPECT_EQ(scores[0].status, ScoreStatus::kValue);
  EXPECT_EQ(scores[0].criteria, (Criteria{2, 3, 4, 4.5}));
  EXPECT_EQ(scores[1].status, ScoreStatus::kUnparsable);
  EXPECT_EQ(scores[2].status, ScoreStatus::kTimeout);
  EXPECT_EQ(scores[2].detail, "fixed: why");
}

}  // namespace
}  // namespace prosodia
