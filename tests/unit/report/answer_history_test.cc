#include "orchestrator/report/answer_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prosodia {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string answered(const std::string& text) { return "<think>x</think><answer>" + text + "</answer>"; }

TEST(AnswerHistory, CountsAsTheRuleRewardDoes) {
  AnswerHistory history;
  history.add(1, "Happy", answered(" happy "));
  history.add(1, "happy", answered("SAD"));
  history.add(1, "sad", answered("sad") + answered("sad"));  // two answers are none
  history.add(1, "sad", "no answer");
  history.add(1, "", answered("sad"));
  EXPECT_THAT(history.labels(), ElementsAre("Happy", "sad"));
  const auto bins = history.bins(10);
  ASSERT_EQ(bins.size(), 1u);
  const auto& counts = bins[0].counts;
  EXPECT_EQ(counts.at({0, 0}), 1u);
  EXPECT_EQ(counts.at({0, 1}), 1u);
  EXPECT_EQ(counts.at({1, 2}), 2u);
  EXPECT_EQ(counts.size(), 3u);
}

TEST(AnswerHistory, BinsHoldConsecutiveSteps) {
  AnswerHistory history;
  for (uint64_t step = 1; step <= 10; ++step) history.add(step, "sad", answered("sad"));
  const auto bins = history.bins(4);
  ASSERT_EQ(bins.size(), 4u);
  EXPECT_EQ(bins[0].first_step, 1u);
  EXPECT_EQ(bins[0].last_step, 3u);
  EXPECT_EQ(bins[0].counts.at({0, 0}), 3u);
  EXPECT_EQ(bins[3].first_step, 10u);
}

TEST(AnswerHistory, OpenEndedSolutionsAreNoLabels) {
  AnswerHistory history;
  for (int i = 0; i < 100; ++i) history.add(1, "answer " + std::to_string(i), answered("x"));
  EXPECT_THAT(history.labels(), IsEmpty());
  EXPECT_THAT(history.bins(10), IsEmpty());
}

}  // namespace
}  // namespace prosodia
