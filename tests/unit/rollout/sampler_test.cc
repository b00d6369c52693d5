#include "workers/rollout/sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include "data/base/philox.h"

namespace prosodia {
namespace {

constexpr uint64_t kSeed = 20240607;
constexpr int kDraws = 20'000;

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::map<int, double> frequencies(const SamplingParams& params, const std::vector<float>& logits) {
  Sampler sampler(params, static_cast<int64_t>(logits.size()));
  std::map<int, double> counts;
  for (int i = 0; i < kDraws; ++i) counts[sampler.draw(logits, kSeed, 3, i).token] += 1.0 / kDraws;
  return counts;
}

// Within five standard errors of a binomial frequency; the draws are fixed by the seed, so this cannot flicker.
void expect_frequency(const std::map<int, double>& seen, int token, double p) {
  const auto found = seen.find(token);
  const double frequency = found == seen.end() ? 0 : found->second;
  EXPECT_NEAR(frequency, p, 5 * std::sqrt(p * (1 - p) / kDraws) + 1e-12) << "token " << token << ", seed " << kSeed;
}

TEST(Sampler, FollowsTheDistribution) {
  const std::vector<double> p = {0.5, 0.25, 0.125, 0.1, 0.025};
  const auto seen = frequencies({}, logits_of(p));
  for (size_t i = 0; i < p.size(); ++i) expect_frequency(seen, static_cast<int>(i), p[i]);
}

TEST(Sampler, FollowsTheDistributionAcrossBlocksOfALargeVocabulary) {
  PhiloxStream noise(5);
  std::vector<double> p(1003);
  for (double& value : p) value = std::exp(2.0 * noise.next_normal());
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= total;
  const auto seen = frequencies({}, logits_of(p));
  double chi_square = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const auto found = seen.find(static_cast<int>(i));
    const double difference = (found == seen.end() ? 0 : found->second) - p[i];
    chi_square += kDraws * difference * difference / p[i];
  }
  EXPECT_LT(chi_square, 1002 + 5 * std::sqrt(2.0 * 1002));  // mean and deviation of chi-square with 1002 degrees
  EXPECT_GT(chi_square, 1002 - 5 * std::sqrt(2.0 * 1002));
}

TEST(Sampler, TemperatureSharpens) {
  const auto seen = frequencies({.temperature = 0.5}, logits_of({0.6, 0.3, 0.1}));
  const double total = 0.36 + 0.09 + 0.01;
  expect_frequency(seen, 0, 0.36 / total);
  expect_frequency(seen, 1, 0.09 / total);
}

TEST(Sampler, TopKKeepsTheMostLikelyAndTies) {
  const auto two = frequencies({.top_k = 2}, logits_of({0.1, 0.4, 0.2, 0.3}));
  expect_frequency(two, 1, 4.0 / 7);
  expect_frequency(two, 3, 3.0 / 7);
  EXPECT_EQ(two.size(), 2);
  EXPECT_EQ(frequencies({.top_k = 2}, logits_of({0.4, 0.3, 0.3})).size(), 3) << "a tie with the k-th is kept";
}

TEST(Sampler, TopPKeepsTheTokenThatReachesIt) {
  const auto seen = frequencies({.top_p = 0.75}, logits_of({0.1, 0.5, 0.3, 0.1}));
  expect_frequency(seen, 1, 0.625);
  expect_frequency(seen, 2, 0.375);
  EXPECT_EQ(seen.size(), 2);
  EXPECT_EQ(frequencies({.top_p = 0.05}, logits_of({0.3, 0.4, 0.3})).size(), 1);
}

TEST(Sampler, SuppressedTokensAreNeverDrawnButCountInTheLogProb) {
  const SamplingParams params{.suppressed_ids = {0}};
  const auto logits = logits_of({0.5, 0.3, 0.2});
  const auto seen = frequencies(params, logits);
  EXPECT_FALSE(seen.contains(0));
  expect_frequency(seen, 1, 0.6);
  const auto draw = Sampler(params, 3).draw(logits, 1, 0, 0);
  EXPECT_NEAR(draw.logprob, std::log(draw.token == 1 ? 0.3 : 0.2), 1e-6) << "of the full distribution";
}

TEST(Sampler, GreedyTakesTheFirstOfTheBestAllowed) {
  const SamplingParams params{.temperature = 2, .greedy = true, .suppressed_ids = {2}};
  Sampler sampler(params, 5);
  const auto draw = sampler.draw(std::vector<float>{1, 3, 9, 3, 0}, 1, 2, 3);
  EXPECT_EQ(draw.token, 1);
  const double sum = std::exp(0.5) + 2 * std::exp(1.5) + std::exp(4.5) + std::exp(0.0);
  EXPECT_NEAR(draw.logprob, 1.5 - std::log(sum), 1e-6) << "at the declared temperature";
}

TEST(Sampler, CertaintyOfASuppressedTokenStillGivesAnAllowedOne) {
  Sampler sampler({.suppressed_ids = {1}}, 4);
  EXPECT_EQ(sampler.draw(std::vector<float>{-500, 900, -400, -500}, 1, 0, 0).token, 2);
}

TEST(Sampler, DependsOnSeedSampleAndIndexAlone) {
  const std::vector<float> logits(50, 0.0f);
  Sampler one({}, 50), other({}, 50);
  other.draw(logits, 77, 1, 9);  // history must not matter
  const auto token = one.draw(logits, 5, 6, 7).token;
  EXPECT_EQ(other.draw(logits, 5, 6, 7).token, token);
  int differ = 0;
  for (uint64_t i = 0; i < 20; ++i) {
    differ += one.draw(logits, 5, 6, i).token != one.draw(logits, 5, 7, i).token;
    differ += one.draw(logits, 5, 6, i).token != one.draw(logits, 6, 6, i).token;
  }
  EXPECT_GT(differ, 30);
}

}  // namespace
}  // namespace prosodia
