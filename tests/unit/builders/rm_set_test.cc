// The reward-model sets: grades in equal numbers, independent of each other and of the answer, and borne out by what
// the faithfulness scorer measures without knowing them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "data/builders/disfluency.h"
#include "data/builders/rm_plan.h"
#include "data/builders/rubric.h"
#include "data/corpus/rm_row.h"
#include "data/prosody/levels_json.h"
#include "reward/acoustic_scorer.h"
#include "reward/rules.h"
#include "tests/unit/builders/support.h"

namespace prosodia {
namespace {

using namespace testing;

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    sx += x[i];
    sy += y[i];
    sxx += x[i] * x[i];
    syy += y[i] * y[i];
    sxy += x[i] * y[i];
  }
  return (sxy - sx * sy / n) / std::sqrt((sxx - sx * sx / n) * (syy - sy * sy / n));
}

TEST(Rubric, Grades) {
  EXPECT_EQ(factual_grade(4, 4), 5);
  EXPECT_EQ(factual_grade(3, 4), 4);
  EXPECT_EQ(factual_grade(1, 2), 3);
  EXPECT_EQ(factual_grade(0, 1), 1);
  EXPECT_EQ(completeness_grade(4, 0, 4), 5);
  EXPECT_EQ(completeness_grade(3, 0, 4), 4);
  EXPECT_EQ(completeness_grade(2, 0, 4), 3);
  EXPECT_EQ(completeness_grade(1, 1, 4), 2);
  EXPECT_EQ(completeness_grade(1, 0, 4), 1);
}

struct Graded {
  std::array<std::vector<double>, kNumRmScores> prescribed, measured;
  std::vector<double> is_right;
};

class RewardModelSet : public BuildTest {
 protected:
  void SetUp() override {
    BuildTest::SetUp();
    options_.rm_rows = 2000;
    options_.rm_eval_rows = 200;
    options_.prosody_rows = options_.coldstart_rows = options_.prosody_eval_rows = 0;
  }

  Graded read(const std::string& file) {
    Graded graded;
    for (const Sample& sample : rows(file)) {
      const auto scores = parse_rm_answer(sample.messages.back().content, file);
      EXPECT_TRUE(scores) << scores.error().message;
      const auto response = sample.row["response"].get<std::string>();
      EXPECT_THAT(sample.messages[1].content, ::testing::EndsWith("\nResponse: " + response));
      const auto answer = extract_answer(response);
      EXPECT_TRUE(answer) << response;
      EXPECT_EQ(*answer == sample.row["emotion"], sample.row["answer_is_right"].get<bool>());
      const ReasoningScore acoustic = acoustic_score(response, *levels_from_json(sample.row["prosody"]), "");
      EXPECT_EQ(acoustic.status, ScoreStatus::kValue);
      for (size_t j = 0; j < kNumRmScores; ++j) {
        EXPECT_EQ((*scores)[j], sample.row["scores"][std::string(kRmScoreKeys[j])]);
        graded.prescribed[j].push_back((*scores)[j]);
        graded.measured[j].push_back(acoustic.criteria[j]);
      }
      graded.is_right.push_back(sample.row["answer_is_right"].get<bool>());
    }
    return graded;
  }
};

class RewardModelGrammar : public RewardModelSet, public ::testing::WithParamInterface<Grammar> {};
INSTANTIATE_TEST_SUITE_P(Both, RewardModelGrammar, ::testing::Values(Grammar::kSmall, Grammar::kVaried),
                         [](const auto& info) { return std::string(name(info.param)); });

TEST_P(RewardModelGrammar, GradesAreUniformIndependentAndSilentAboutTheLabel) {
  options_.grammar = GetParam();
  build();
  const Graded graded = read("rm.sft.jsonl");
  ASSERT_EQ(graded.is_right.size(), 2000u);
  for (size_t j = 0; j < kNumRmScores; ++j) {
    std::array<int, 6> counts{};
    for (double grade : graded.prescribed[j]) ++counts[static_cast<size_t>(grade)];
    for (int grade = 1; grade <= 5; ++grade)
      EXPECT_NEAR(counts[static_cast<size_t>(grade)], 400, 60) << kRmScoreKeys[j] << " " << grade;
    EXPECT_LT(std::abs(correlation(graded.prescribed[j], graded.is_right)), 0.05) << kRmScoreKeys[j];
    for (size_t k = 0; k < j; ++k)
      EXPECT_LT(std::abs(correlation(graded.prescribed[j], graded.prescribed[k])), 0.1)
          << kRmScoreKeys[j] << " and " << kRmScoreKeys[k];
  }
}

// The scorer counts a cue as recalled only when it is right, so completeness is compared where all are.
TEST_P(RewardModelGrammar, TheAcousticScorerFindsThePrescribedGrades) {
  options_.grammar = GetParam();
  build();
  const Graded graded = read("rm.sft.jsonl");
  EXPECT_GE(correlation(graded.prescribed[0], graded.measured[0]), 0.95);
  EXPECT_GE(correlation(graded.prescribed[1], graded.measured[1]), 0.5);
  EXPECT_GE(correlation(graded.prescribed[3], graded.measured[3]), 0.9);
  std::vector<double> prescribed, recall;
  for (size_t i = 0; i < graded.is_right.size(); ++i) {
    if (graded.prescribed[0][i] < 5) continue;
    prescribed.push_back(graded.prescribed[2][i]);
    recall.push_back(graded.measured[2][i]);
  }
  ASSERT_GT(prescribed.size(), 300u);
  EXPECT_GE(correlation(prescribed, recall), 0.9);
}

TEST_F(RewardModelSet, HeldOutRowsAreOfTheOtherSplit) {
  build();
  for (const Sample& sample : rows("rm.eval.jsonl"))
    EXPECT_THAT(sample.row["speaker"].get<std::string>(), ::testing::StartsWith("test"));
  for (const Sample& sample : rows("rm.sft.jsonl"))
    EXPECT_THAT(sample.row["speaker"].get<std::string>(), ::testing::StartsWith("train"));
}

TEST_F(RewardModelSet, PerfectRowsSayEverythingRightly) {
  build();
  int perfect = 0;
  for (const Sample& sample : rows("rm.sft.jsonl")) {
    if (sample.messages.back().content != rm_answer({5, 5, 5, 5})) continue;
    ++perfect;
    const auto response = sample.row["response"].get<std::string>();
    const ReasoningScore acoustic = acoustic_score(response, *levels_from_json(sample.row["prosody"]), "");
    EXPECT_EQ(acoustic.criteria[0], 5) << response;
    EXPECT_EQ(acoustic.criteria[2], 5) << response;
    EXPECT_TRUE(format_reward(response)) << response;
    EXPECT_TRUE(sample.row["degradations"].empty()) << response;
  }
  EXPECT_GT(perfect, 0);
}

TEST(GradedPlans, AnUtteranceThatIsHardlyMeasuredIsPassedOver) {
  GradeBalance balance;
  PhiloxStream stream(1);
  EXPECT_FALSE(plan_graded({{.pitch = "high"}, "happy", "words"}, Grammar::kSmall, true, balance, stream));
  const auto two =
      plan_graded({{.pitch = "high", .energy = "high"}, "happy", "words"}, Grammar::kSmall, true, balance, stream);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->answer, "happy");
}

TEST(Disfluency, SpoilsTheWordingAndNotTheMessage) {
  for (int grade = 1; grade <= 5; ++grade) {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      PhiloxStream stream(seed);
      std::vector<std::string> done;
      const std::string response =
          respond_with_fluency({"The pitch is low and the energy is high.",
                                "The speech is fast with a rising intonation.", "This suggests fear."},
                               "fear", grade, stream, done);
      EXPECT_EQ(done.empty(), grade == 5);
      EXPECT_EQ(format_reward(response), grade >= 3 || response.find("missing") != std::string::npos ||
                                             (response.find("<think>") == 0 && response.find("</think>") + 1 != 0))
          << response;
      EXPECT_TRUE(answer_matches(response, "fear")) << response;
      const Faithfulness truth =
          check_claims(parse_claims(reasoning_text(response)),
                       {.pitch = "low", .energy = "high", .speed = "fast", .intonation = "rising"});
      EXPECT_EQ(truth.true_claims, 4) << response;
      EXPECT_EQ(truth.checkable, 4) << response;
    }
  }
}

}  // namespace
}  // namespace prosodia
