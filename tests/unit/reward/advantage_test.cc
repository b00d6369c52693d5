// advantage.h beyond the golden vectors (tests/golden/reward): missing responses, uneven groups, invariances.
#include "reward/advantage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "data/base/philox.h"

namespace prosodia {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Batch {
  std::vector<double> rewards;
  std::vector<uint8_t> present;
  std::vector<int> groups;
};

Batch random_batch(uint64_t seed) {
  PhiloxStream random(seed);
  Batch batch;
  for (int group = 0; group < 6; ++group) {
    for (uint32_t n = 1 + random.next_below(9); n > 0; --n) {
      batch.groups.push_back(group * 7 - 3);
      batch.present.push_back(random.next_below(5) > 0);
      batch.rewards.push_back(batch.present.back() ? 1.8 * random.next_unit() : kNaN);
    }
  }
  return batch;
}

std::vector<double> run(const Batch& batch, ScaleRewards scale) {
  AdvantageOptions options;
  options.scale_rewards = scale;
  return advantages(batch.rewards, batch.present, batch.groups, options);
}

constexpr ScaleRewards kScales[] = {ScaleRewards::kGroup, ScaleRewards::kBatch, ScaleRewards::kNone};

TEST(Advantage, SingletonAndAbsentAreZero) {
  const Batch batch{{1.3, kNaN, 0.3, kNaN}, {1, 0, 1, 0}, {0, 0, 1, 2}};
  for (const auto scale : kScales) EXPECT_EQ(run(batch, scale), (std::vector<double>{0, 0, 0, 0}));
  EXPECT_TRUE(advantages({}, {}, {}).empty());
}

TEST(Advantage, EqualRewardsAreExactlyZero) {
  const Batch batch{{0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2, 1, 0}, {1, 1, 1, 1, 1}, {4, 4, 4, 9, 9}};
  for (const auto scale : kScales) {
    const auto result = run(batch, scale);
    EXPECT_EQ(result[0], 0);
    EXPECT_EQ(result[1], 0);
    EXPECT_GT(result[3], 0);
  }
}

TEST(Advantage, ScaleIsTheGroupsTheBatchsOrNothing) {
  const Batch batch{{0, 1, 0, 4}, {1, 1, 1, 1}, {0, 0, 1, 1}};
  EXPECT_NEAR(run(batch, ScaleRewards::kGroup)[1], 0.5 / (std::sqrt(0.5) + 1e-4), 1e-12);
  const double batch_std = std::sqrt((1.25 * 1.25 * 2 + 0.25 * 0.25 + 2.75 * 2.75) / 3);
  EXPECT_NEAR(run(batch, ScaleRewards::kBatch)[3], 2 / (batch_std + 1e-4), 1e-12);
  EXPECT_EQ(run(batch, ScaleRewards::kNone)[2], -2);
}

// A missing response changes nothing for the others but its own absence.
TEST(Advantage, AbsentEqualsNotThere) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Batch batch = random_batch(seed);
    Batch without;
    for (size_t i = 0; i < batch.rewards.size(); ++i) {
      if (!batch.present[i]) continue;
      without.rewards.push_back(batch.rewards[i]);
      without.present.push_back(1);
      without.groups.push_back(batch.groups[i]);
    }
    for (const auto scale : kScales) {
      const auto all = run(batch, scale), rest = run(without, scale);
      size_t j = 0;
      for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], batch.present[i] ? rest[j++] : 0.0);
    }
  }
}

TEST(Advantage, PermutationMovesAdvantagesAlong) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Batch batch = random_batch(seed);
    std::vector<size_t> order(batch.rewards.size());
    std::iota(order.begin(), order.end(), size_t{0});
    PhiloxStream random(seed + 1000);
    for (size_t i = order.size(); i > 1; --i) {
      std::swap(order[i - 1], order[random.next_below(static_cast<uint32_t>(i))]);
    }
    Batch moved;
    for (const size_t i : order) {
      moved.rewards.push_back(batch.rewards[i]);
      moved.present.push_back(batch.present[i]);
      moved.groups.push_back(batch.groups[i]);
    }
    for (const auto scale : kScales) {
      const auto before = run(batch, scale), after = run(moved, scale);
      for (size_t i = 0; i < order.size(); ++i) EXPECT_NEAR(after[i], before[order[i]], 1e-9);
    }
  }
}

TEST(Advantage, ShiftOfAGroupChangesNothingAndGroupsSumToZero) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Batch batch = random_batch(seed);
    Batch shifted = batch;
    for (double& reward : shifted.rewards) reward += 3.25;
    for (const auto scale : kScales) {
      const auto before = run(batch, scale), after = run(shifted, scale);
      double sum = 0;
      for (size_t i = 0; i < before.size(); ++i) {
        EXPECT_NEAR(after[i], before[i], 1e-9);
        sum += before[i];
      }
      EXPECT_NEAR(sum, 0, 1e-9);
    }
  }
}

TEST(Advantage, GroupScaleIsBounded) {  // |A| <= (n-1)/sqrt(n) for ddof 1
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (const double value : run(random_batch(seed), ScaleRewards::kGroup)) EXPECT_LE(std::abs(value), 8 / 3.0);
  }
}

TEST(Advantage, StatsDescribeThePresent) {
  const std::vector<double> rewards{1, 1, 0, kNaN, 2, 0};
  const std::vector<uint8_t> present{1, 1, 1, 0, 1, 1};
  const std::vector<int> groups{0, 0, 1, 1, 2, 2};
  const RewardStats stats = reward_stats(rewards, present, groups);
  EXPECT_EQ(stats.present, 5);
  EXPECT_DOUBLE_EQ(stats.mean, 0.8);
  EXPECT_NEAR(stats.std, std::sqrt((0.04 * 2 + 0.64 * 2 + 1.44) / 4), 1e-12);
  EXPECT_NEAR(stats.group_std_mean, std::sqrt(2.0) / 3, 1e-12);
  EXPECT_NEAR(stats.frac_zero_std, 2 / 3.0, 1e-12);
  EXPECT_EQ(stats.singleton_groups, 1);
  const RewardStats empty = reward_stats({}, {}, {});
  EXPECT_EQ(empty.present, 0);
  EXPECT_TRUE(std::isnan(empty.mean) && std::isnan(empty.std) && std::isnan(empty.frac_zero_std));
}

TEST(Advantage, ScaleNamesParse) {
  for (const auto scale : kScales) EXPECT_EQ(parse_scale_rewards(name(scale)).value(), scale);
  const auto wrong = parse_scale_rewards("Group");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kUsage);
  EXPECT_NE(wrong.error().message.find("batch"), std::string::npos);
}

TEST(AdvantageDeathTest, NonFiniteRewardOfAPresentResponseAborts) {
  const std::vector<double> rewards{1, kNaN};
  const std::vector<uint8_t> present{1, 1};
  const std::vector<int> groups{0, 0};
  EXPECT_DEATH(advantages(rewards, present, groups), "reward 1 of group 0");
}

}  // namespace
}  // namespace prosodia
