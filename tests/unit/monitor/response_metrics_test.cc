#include "orchestrator/monitor/response_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/unit/monitor/monitor_test_util.h"

namespace prosodia {
namespace {

TEST(ResponseMetrics, NothingGivesNothing) { EXPECT_TRUE(response_metrics({}).empty()); }

// Two groups of two; values worked out by hand from TRL's definitions (nanmean, std with ddof 1).
TEST(ResponseMetrics, RewardsAndGroups) {
  std::vector<SampledResponse> responses = {sampled(1, 0, 1.3, true), sampled(1, 1, 0.3, false),
                                            sampled(2, 0, 1.3, true), sampled(2, 1, 1.3, true)};
  responses[1].format = 0;
  const auto metrics = response_metrics(responses);
  EXPECT_DOUBLE_EQ(metrics.at("reward"), 1.05);
  EXPECT_DOUBLE_EQ(metrics.at("reward_std"), 0.5);  // sqrt((3 * 0.25^2 + 0.75^2) / 3)
  EXPECT_DOUBLE_EQ(metrics.at("frac_reward_zero_std"), 0.5);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/format/mean"), 0.75);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/format/std"), 0.5);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/format/mean_correct"), 1);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/format/mean_wrong"), 0);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/accuracy/mean"), 0.75);
  EXPECT_FALSE(metrics.contains("rewards/accuracy/mean_correct"));
  EXPECT_DOUBLE_EQ(metrics.at("reward/gate"), 0);
  EXPECT_DOUBLE_EQ(metrics.at("reward/frac_missing"), 0);
  for (const char* absent :
       {"rewards/reasoning/mean", "rewards/faithfulness/mean", "reward/trust", "rewards/fluency_clarity/mean"})
    EXPECT_FALSE(metrics.contains(absent)) << absent << " was never measured: left out, not 0";
}

TEST(ResponseMetrics, ScoresCountOnlyWhereThereIsOne) {
  std::vector<SampledResponse> responses = {sampled(1, 0, 2.0, true), sampled(1, 1, 1.0, false),
                                            sampled(1, 2, 99, true)};
  for (auto& response : responses) {
    response.gate = 0.5;
    response.trust = 0.8;
  }
  responses[0].reasoning_status = responses[1].reasoning_status = "value";
  responses[0].reasoning = 0.9;
  responses[1].reasoning = 0.5;
  responses[0].criteria = {5, 4, 5, 4};
  responses[1].criteria = {3, 2, 3, 2};
  responses[2].reasoning_status = "timeout";
  responses[2].present = false;
  responses[1].has_faithfulness = true;
  responses[1].faithfulness = 0.25;
  const auto metrics = response_metrics(responses);
  EXPECT_DOUBLE_EQ(metrics.at("reward"), 1.5);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/reasoning/mean"), 0.7);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/reasoning/std"), std::sqrt(0.08));
  EXPECT_DOUBLE_EQ(metrics.at("rewards/reasoning/mean_correct"), 0.9);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/reasoning/mean_wrong"), 0.5);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/factual_alignment/mean"), 4);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/fluency_clarity/mean"), 3);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/faithfulness/mean"), 0.25);
  EXPECT_FALSE(metrics.contains("rewards/faithfulness/mean_correct"));
  EXPECT_DOUBLE_EQ(metrics.at("reward/trust"), 0.8);
  EXPECT_DOUBLE_EQ(metrics.at("reward/gate"), 0.5);
  EXPECT_DOUBLE_EQ(metrics.at("reward/missing_timeout"), 1);
  EXPECT_DOUBLE_EQ(metrics.at("reward/frac_missing"), 1.0 / 3);
  EXPECT_DOUBLE_EQ(metrics.at("rewards/accuracy/mean"), 2.0 / 3);
}

TEST(ResponseMetrics, Lengths) {
  std::vector<SampledResponse> responses = {sampled(1, 0, 1, true), sampled(1, 10, 1, true), sampled(1, 40, 1, true)};
  responses[2].finish_reason = "length";
  auto metrics = response_metrics(responses);
  EXPECT_NEAR(metrics.at("completions/mean_length"), 80.0 / 3, 1e-12);
  EXPECT_EQ(metrics.at("completions/min_length"), 10);
  EXPECT_EQ(metrics.at("completions/max_length"), 50);
  EXPECT_NEAR(metrics.at("completions/clipped_ratio"), 1.0 / 3, 1e-12);
  EXPECT_EQ(metrics.at("completions/mean_terminated_length"), 15);
  EXPECT_EQ(metrics.at("completions/max_terminated_length"), 20);
  for (auto& response : responses) response.finish_reason = "length";
  metrics = response_metrics(responses);
  EXPECT_EQ(metrics.at("completions/clipped_ratio"), 1);
  EXPECT_EQ(metrics.at("completions/mean_terminated_length"), 0);
}

}  // namespace
}  // namespace prosodia
