// group_scoring.h and scorer_factory.h.
#include "workers/reward/group_scoring.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "workers/reward/scorer_factory.h"

namespace prosodia {
namespace {

using protocol::ReasoningStatus;

const char* const kRow = R"({"solution":"happy","prosody":{"pitch":"high","energy":"high","speed":"fast"}})";
const char* const kRight =
    "<think>The pitch is high, the energy is high and the pace is fast, so joy.</think><answer>Happy</answer>";
const char* const kWrong =
    "<think>The pitch is low and the pace is slow, which suggests sadness.</think><answer>sad</answer>";

protocol::TaskReward task(double gate, std::vector<std::string> texts, std::string row = kRow) {
  protocol::TaskReward result;
  result.group_id = GroupId(7);
  result.gate = gate;
  result.need_reasoning = gate > 0;
  result.row_json = std::move(row);
  for (auto& text : texts) result.completions.push_back({.text = std::move(text)});
  return result;
}

std::vector<ReasoningScore> never(const nlohmann::json&, const std::vector<std::string>&) {
  ADD_FAILURE() << "the scorer was asked while the gate is shut";
  return {};
}

TEST(ScoreGroup, ShutGateAsksNobody) {
  const auto result = score_group(task(0, {kRight, kWrong, "happy"}), {}, never).value();
  EXPECT_EQ(result.group_id, GroupId(7));
  ASSERT_EQ(result.responses.size(), 3u);
  const auto& right = result.responses[0];
  EXPECT_TRUE(right.scored && right.present);
  EXPECT_EQ(right.reasoning_status, ReasoningStatus::kNotRequested);
  EXPECT_DOUBLE_EQ(right.total, 1.3);
  EXPECT_EQ(right.claims, 3u);
  EXPECT_EQ(right.true_claims, 3u);
  EXPECT_DOUBLE_EQ(right.faithfulness, 1);
  EXPECT_DOUBLE_EQ(result.responses[1].total, 0.3);
  EXPECT_EQ(result.responses[1].true_claims, 0u);
  EXPECT_EQ(result.responses[2].total, 0);
  EXPECT_TRUE(result.responses[2].present);
}

TEST(ScoreGroup, OpenGateAddsTheReasoningReward) {
  auto scorer = standard_scorers().make("acoustic").value();
  const auto result = score_group(task(1, {kRight, kWrong}), {}, [&](const auto& row, const auto& responses) {
                        return scorer->score({row, responses}, {});
                      }).value();
  EXPECT_EQ(result.tau, 1);
  const auto& right = result.responses[0];
  EXPECT_EQ(right.reasoning_status, ReasoningStatus::kValue);
  EXPECT_DOUBLE_EQ(right.total, 1.3 + 0.5 * right.reasoning);
  EXPECT_GT(right.reasoning, result.responses[1].reasoning);
  for (const double grade : right.criteria) EXPECT_TRUE(grade >= 1 && grade <= 5);
}

TEST(ScoreGroup, MissingGradesAreStatusesNotZeros) {
  const auto result = score_group(task(0.5, {kRight, kWrong}), {}, [](const auto&, const auto&) {
                        return std::vector<ReasoningScore>{{ScoreStatus::kTimeout, {}, std::string(5000, 'x')},
                                                           checked_score({3, 3, 3, 3})};
                      }).value();
  const auto& missing = result.responses[0];
  EXPECT_TRUE(missing.scored);
  EXPECT_FALSE(missing.present);
  EXPECT_EQ(missing.reasoning_status, ReasoningStatus::kTimeout);
  EXPECT_EQ(missing.format, 1);
  EXPECT_EQ(missing.accuracy, 1);
  EXPECT_EQ(missing.detail.size(), 1000u);
  EXPECT_TRUE(result.responses[1].present);
  EXPECT_EQ(result.tau, 0);  // the only response with an R_t is wrong
  // Everything on the wire is finite, so that metrics and digests are.
  for (const auto& response : result.responses) EXPECT_TRUE(std::isfinite(response.total + response.faithfulness));
}

TEST(ScoreGroup, RowsWithoutProsodyAreScoredByTheRules) {
  const auto result = score_group(task(0, {kRight}, R"({"solution":"happy"})"), {}, never).value();
  EXPECT_DOUBLE_EQ(result.responses[0].total, 1.3);
  EXPECT_EQ(result.responses[0].claims, 0u);
}

TEST(ScoreGroup, UnusableRowsAreErrors) {
  for (const char* row : {"", "{", "[]", "{}", R"({"solution":3})", "\xff"}) {
    const auto result = score_group(task(0, {kRight}, row), {}, never);
    ASSERT_FALSE(result) << row;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidInput);
    EXPECT_NE(result.error().message.find("group 7"), std::string::npos);
  }
  EXPECT_FALSE(score_group(task(1.5, {kRight}), {}, never));
  EXPECT_FALSE(score_group(task(NAN, {kRight}), {}, never));
}

TEST(ScorerFactory, MakesByName) {
  ScorerFactory factory = standard_scorers();
  EXPECT_EQ(factory.make("acoustic").value()->scorer_name(), "acoustic");
  const auto unknown = factory.make("oracle");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kUsage);
  EXPECT_NE(unknown.error().message.find("acoustic"), std::string::npos);
  EXPECT_FALSE(factory.make("mean"));  // of one scorer
  factory.add("broken",
              [] { return Result<std::unique_ptr<ReasoningScorer>>(fail(ErrorCode::kInvalidInput, "no file")); });
  EXPECT_EQ(factory.make("mean").error().message.find("no file") == std::string::npos, false);
  factory.add("broken", [] { return standard_scorers().make("acoustic"); });
  EXPECT_EQ(factory.make("mean").value()->scorer_name(), "mean");
  EXPECT_EQ(factory.names(), (std::vector<std::string>{"acoustic", "broken", "mean"}));
}

}  // namespace
}  // namespace prosodia
