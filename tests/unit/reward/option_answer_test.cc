// option_answer.h: the prosody test's questions.
#include "reward/option_answer.h"

#include <gtest/gtest.h>

#include <vector>

namespace prosodia {
namespace {

const std::vector<std::string> kIntonation = {"rising", "falling", "rising-falling", "falling-rising", "flat"};
const std::vector<std::string> kLevels = {"low", "normal", "high"};

struct Case {
  const char* response;
  const char* chosen;  // "" = none
};

TEST(OptionAnswer, FindsTheOneOptionThatIsNamed) {
  for (const Case& c :
       {Case{"high", "high"}, Case{" High.\n", "high"}, Case{"The pitch is HIGH!", "high"}, Case{"highly", ""},
        Case{"", ""}, Case{"loud", ""}, Case{"low or high", ""}, Case{"high, very high", "high"},
        Case{"“normal”", "normal"}, Case{"<think>it is not low</think><answer>high</answer>", "high"},
        Case{"<answer>low</answer><answer>low</answer>", "low"}}) {
    EXPECT_EQ(chosen_option(c.response, kLevels).value_or(""), c.chosen) << c.response;
  }
}

TEST(OptionAnswer, TheLongerOptionTakesItsWords) {
  for (const Case& c :
       {Case{"rising-falling", "rising-falling"}, Case{"Rising falling.", "rising-falling"}, Case{"rising", "rising"},
        Case{"It is falling–rising", "falling-rising"}, Case{"rising and then falling", ""},
        Case{"rising-falling, not flat", ""}, Case{"rising-falling-rising", ""}}) {
    EXPECT_EQ(chosen_option(c.response, kIntonation).value_or(""), c.chosen) << c.response;
  }
}

TEST(OptionAnswer, WordsOfATranscriptAndOrders) {
  const std::vector<std::string> words = {"I", "don't", "know", "the", "the", "Größe"};
  EXPECT_TRUE(option_answer_matches("The word \"don’t\".", "don't", {{"don't", "know"}}));
  EXPECT_TRUE(option_answer_matches("the", "the", words)) << "a repeated word is one option";
  EXPECT_TRUE(option_answer_matches("GRÖSSE", "Größe", words)) << "case folding, not lower case";
  EXPECT_FALSE(option_answer_matches("know", "the", words));
  const std::vector<std::string> orders = {"1 2 3", "2 1 3", "3 2 1"};
  EXPECT_TRUE(option_answer_matches("2, 1, 3", "2 1 3", orders));
  EXPECT_FALSE(option_answer_matches("1 2 3", "2 1 3", orders));
  EXPECT_TRUE(option_answer_matches("The second.", "second", {{"first", "second"}}));
}

// The whole response may be the solution although it holds other options.
TEST(OptionAnswer, TheSolutionItselfIsRight) {
  EXPECT_TRUE(option_answer_matches("first second", "first, second", {{"first", "second"}}));
  EXPECT_FALSE(option_answer_matches("", "", {{"first"}}));
  EXPECT_FALSE(option_answer_matches("...", "!", {{"first"}}));
  EXPECT_FALSE(option_answer_matches("\xff\xfe", "low", kLevels));
}

}  // namespace
}  // namespace prosodia
