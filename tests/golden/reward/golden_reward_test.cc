// advantages() against TRL 1.16.0's own lines (generate.py) and the peers' published vectors; normalize_answer()
// against Python's Unicode tables (generate_answers.py); a reward model's agreement against scipy 1.15 and scikit-learn
// 1.7 (generate_rm.py). Tolerance 1e-9: both sides compute in double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "reward/advantage.h"
#include "reward/rm_report.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

nlohmann::json load(const char* name) {
  const char* root = std::getenv("PROSODIA_SOURCE_DIR");
  const auto path = std::filesystem::path(root ? root : ".") / "tests/golden/reward" / name;
  std::ifstream file(path);
  EXPECT_TRUE(file) << "cannot open " << path << "; run through ctest, or set PROSODIA_SOURCE_DIR";
  return nlohmann::json::parse(file, nullptr, false);
}

TEST(GoldenAdvantage, EqualsTrl) {
  const auto golden = load("advantages.json");
  ASSERT_EQ(golden.value("trl", ""), "1.16.0");
  ASSERT_GE(golden.at("cases").size(), 30u);
  for (const auto& test : golden.at("cases")) {
    std::vector<double> rewards;
    std::vector<uint8_t> present;
    std::vector<int> groups;
    for (const auto& reward : test.at("rewards")) {
      groups.push_back(static_cast<int>(rewards.size()) / test.at("num_generations").get<int>());
      present.push_back(!reward.is_null());
      rewards.push_back(reward.is_null() ? std::numeric_limits<double>::quiet_NaN() : reward.get<double>());
    }
    AdvantageOptions options;
    options.scale_rewards = parse_scale_rewards(test.at("scale_rewards").get<std::string>()).value();
    const auto ours = advantages(rewards, present, groups, options);
    const auto& theirs = test.at("advantages");
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_NEAR(ours[i], theirs[i].get<double>(), 1e-9) << "response " << i << " of " << test.dump();
    }
  }
}

// TRL counts rows; with groups of one size and nothing missing that is the share of groups.
TEST(GoldenAdvantage, FracZeroStdEqualsTrlOnCompleteGroups) {
  int compared = 0;
  const auto golden = load("advantages.json");
  for (const auto& test : golden.at("cases")) {
    std::vector<double> rewards;
    std::vector<int> groups;
    if (test.at("scale_rewards") == "batch") continue;  // there TRL looks at the batch's std
    bool complete = true;
    for (const auto& reward : test.at("rewards")) {
      complete &= !reward.is_null();
      groups.push_back(static_cast<int>(rewards.size()) / test.at("num_generations").get<int>());
      rewards.push_back(reward.is_null() ? 0 : reward.get<double>());
    }
    if (!complete) continue;
    const std::vector<uint8_t> present(rewards.size(), 1);
    EXPECT_DOUBLE_EQ(reward_stats(rewards, present, groups).frac_zero_std,
                     test.at("frac_reward_zero_std").get<double>());
    ++compared;
  }
  EXPECT_GE(compared, 10);
}

// The vectors that distinguish the peers' epsilons, and ours (TRL's 1e-4).
TEST(GoldenAdvantage, PeerVectors) {
  const std::vector<double> binary{1, 0, 0, 1}, graded{0.2, 0.5, 0.9};
  const std::vector<uint8_t> present(4, 1);
  const std::vector<int> group(4, 0);
  const auto with_eps = [&](std::span<const double> rewards, double eps) {
    AdvantageOptions options;
    options.eps = eps;
    const size_t n = rewards.size();
    return advantages(rewards, std::span(present).first(n), std::span(group).first(n), options);
  };
  EXPECT_NEAR(with_eps(binary, 1e-6)[0], 0.8660239, 5e-8);
  EXPECT_NEAR(with_eps(binary, 1e-6)[1], -0.8660239, 5e-8);
  EXPECT_NEAR(with_eps(binary, 1e-5)[3], 0.8660104, 5e-8);
  const auto verl = with_eps(graded, 1e-6);
  EXPECT_NEAR(verl[0], -0.9491553, 5e-8);
  EXPECT_NEAR(verl[1], -0.0949155, 5e-8);
  EXPECT_NEAR(verl[2], 1.0440708, 5e-8);
}

TEST(GoldenAnswer, EqualsPythonsCanonicalCaselessMatch) {
  const auto golden = load("answers.json");
  ASSERT_GE(golden.at("cases").size(), 25u);
  for (const auto& test : golden.at("cases")) {
    const auto text = test.at("text").get<std::string>();
    EXPECT_EQ(normalize_answer(text), test.at("normalized").get<std::string>()) << "'" << text << "'";
  }
}

TEST(GoldenRmReport, EqualsScipyAndSklearn) {
  const auto golden = load("rm_report.json");
  ASSERT_GE(golden.at("cases").size(), 10u);
  for (const auto& test : golden.at("cases")) {
    std::vector<RmRecord> records;
    for (size_t i = 0; i < test.at("grade").size(); ++i) {
      const double grade = test["grade"][i], prescribed = test["prescribed"][i];
      // Criterion 0 as stored; the second runs against it, the third is constant.
      records.push_back({.id = std::to_string(i),
                         .prescribed = {prescribed, 6 - prescribed, 2, prescribed},
                         .score = {ScoreStatus::kValue, {grade, grade, 2, grade}, {}}});
    }
    const auto report = report_rm(records, {.bootstrap_samples = 0});
    ASSERT_TRUE(report);
    const CriterionAgreement& same = report->criteria[0];
    const auto near = [&](const Estimate& ours, const char* key, double sign = 1) {
      EXPECT_NEAR(ours.value, sign * test.at(key).get<double>(), 1e-9) << key << " of " << records.size() << " records";
    };
    near(same.spearman, "spearman");
    near(same.pearson, "pearson");
    near(same.mean_absolute_error, "mean_absolute_error");
    near(same.calibration_error, "calibration_error");
    near(report->criteria[1].spearman, "spearman", -1);
    near(report->criteria[1].pearson, "pearson", -1);
    EXPECT_TRUE(std::isnan(report->criteria[2].spearman.value)) << "a constant has no correlation";
    EXPECT_EQ(report->criteria[2].mean_absolute_error.value, 0);
  }
}

}  // namespace
}  // namespace prosodia
