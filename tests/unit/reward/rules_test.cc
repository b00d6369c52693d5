#include "reward/rules.h"

#include <gtest/gtest.h>

#include <string>

#include "data/base/philox.h"

namespace prosodia {
namespace {

TEST(FormatReward, AcceptsTheFormAndWhiteSpaceAround) {
  EXPECT_TRUE(format_reward("<think>a</think><answer>happy</answer>"));
  EXPECT_TRUE(format_reward(" \n<think>a\nb</think>\n\t<answer> happy </answer>\r\n "));
  EXPECT_TRUE(format_reward("\u00a0<think>a</think>\u2003<answer>x</answer>\u3000"));
  EXPECT_TRUE(format_reward("<think></think><answer></answer>"));
  EXPECT_TRUE(format_reward("<think>1 < 2 and <b>bold</b></think><answer>x</answer>"));
}

TEST(FormatReward, RefusesEverythingElse) {
  for (const char* response : {
           "",
           " ",
           "happy",
           "<think>a</think>",
           "<answer>x</answer>",
           "<answer>x</answer><think>a</think>",        // order
           "<think>a</think>so<answer>x</answer>",      // text between
           "Sure! <think>a</think><answer>x</answer>",  // text before
           "<think>a</think><answer>x</answer>.",       // text after
           "<think>a</think><answer>x",                 // unclosed
           "<think>a<answer>x</answer>",
           "a</think><answer>x</answer>",
           "<think><think>a</think></think><answer>x</answer>",  // nested
           "<think>a<answer>x</answer></think>",                 // answer inside
           "<think>a</think><answer><answer>x</answer></answer>",
           "<think>a<think></think><answer>x</answer>",             // opened twice, closed once
           "<think>a</think><answer>x</answer><answer>y</answer>",  // several answers
           "<think>a</think><think>b</think><answer>x</answer>",
           "<think>a</answer></think><answer>x</answer>",  // a stray closing tag
           "</think>a<think></answer>x<answer>",           // closed before opened
           "<Think>a</Think><Answer>x</Answer>",
           "< think>a</think><answer>x</answer>",
           "<think lang='en'>a</think><answer>x</answer>",
           "<think>a</think><answer>x</answer>\xff",    // a stray byte is not white space
           "<think>a</think>\u200b<answer>x</answer>",  // a zero-width space is not, either
       }) {
    EXPECT_FALSE(format_reward(response)) << response;
  }
}

TEST(AnswerMatches, TrimsFoldsCollapses) {
  EXPECT_TRUE(answer_matches("<answer>happy</answer>", "happy"));
  EXPECT_TRUE(answer_matches("<answer>\n Contempt  or\tDISGUST </answer>", "contempt or disgust"));
  EXPECT_TRUE(answer_matches("<answer>STRASSE</answer>", "straße"));
  EXPECT_TRUE(answer_matches("<answer>cafe\u0301</answer>", "CAFÉ"));
  EXPECT_TRUE(answer_matches("<answer>ΣΊΣΥΦΟΣ</answer>", "σίσυφος"));
  EXPECT_TRUE(answer_matches("no think at all <answer>sad</answer> trailing", "sad"));
  EXPECT_TRUE(answer_matches("<think><answer>sad</answer>", "sad"));  // R_o does not need R_f
}

TEST(AnswerMatches, NoneOrSeveralAnswersAreWrong) {
  for (const char* response : {
           "",
           "happy",
           "<answer>happy",
           "happy</answer>",
           "</answer>happy<answer>",
           "<answer></answer>",
           "<answer>happy</answer><answer>happy</answer>",
           "<answer>sad</answer><answer>happy</answer>",
           "<answer><answer>happy</answer></answer>",
           "<answer>happy</answer></answer>",
           "<answer>happy.</answer>",
           "<answer>unhappy</answer>",
           "<answer>happy sad</answer>",
           "<answer>hap py</answer>",
           "<ANSWER>happy</ANSWER>",
           "<think>happy</think>",
       }) {
    EXPECT_FALSE(answer_matches(response, "happy")) << response;
  }
}

TEST(AnswerMatches, BlankSolutionNeverMatches) {
  EXPECT_FALSE(answer_matches("<answer></answer>", ""));
  EXPECT_FALSE(answer_matches("<answer> </answer>", " \n"));
}

TEST(AnswerMatches, InvalidUtf8MatchesOnlyItself) {
  EXPECT_TRUE(answer_matches("<answer>\xff\xfe</answer>", "\xff\xfe"));
  EXPECT_FALSE(answer_matches("<answer>\xff</answer>", "\xfe"));
  EXPECT_TRUE(answer_matches("<answer> A\xc3  b</answer>", "a\xc3 B"));
}

TEST(Extract, GivesTheInsideOfTheOnlyElement) {
  EXPECT_EQ(extract_answer("x<answer> a </answer>y"), " a ");
  EXPECT_EQ(extract_think("<think>a</think><answer>b</answer>"), "a");
  EXPECT_FALSE(extract_think("<think>a</think><think>b</think>"));
  EXPECT_FALSE(extract_answer("<answer>a"));
}

TEST(ReasoningText, IsLenient) {
  EXPECT_EQ(reasoning_text("<think>a</think><answer>b</answer>"), "a");
  EXPECT_EQ(reasoning_text("<think>cut at the limit"), "cut at the limit");
  EXPECT_EQ(reasoning_text("no tags"), "no tags");
  EXPECT_EQ(reasoning_text("because <answer>b</answer>"), "because ");
  EXPECT_EQ(reasoning_text("<think>a<answer>b</answer></think>"), "a");
  EXPECT_EQ(reasoning_text("<answer>b</answer>"), "");
}

// Random strings of tags and bytes: the properties hold, nothing crashes, and the rewards agree with each other.
TEST(Rules, PropertiesOnRandomText) {
  const std::string pieces[] = {"<think>", "</think>", "<answer>", "</answer>", "happy", " ",
                                "\n",      "<",        ">",        "\xe2",      "é"};
  PhiloxStream random(11);
  int formats = 0, matches = 0;
  for (int round = 0; round < 50000; ++round) {
    std::string text;
    for (const char* part : {"<think>", "a", "</think>", "<answer>", "happy", "</answer>"}) {
      const uint32_t change = random.next_below(12);
      if (change != 0) text += part;  // 0: left out
      if (change <= 2) text += pieces[random.next_below(11)];
    }
    const bool format = format_reward(text);
    formats += format;
    if (format) {
      ASSERT_TRUE(extract_think(text) && extract_answer(text)) << text;
      EXPECT_TRUE(format_reward(" " + text + "\n"));
      EXPECT_FALSE(format_reward(text + text));
      EXPECT_FALSE(format_reward(text + "x"));
    }
    if (answer_matches(text, "Happy")) {
      ++matches;
      EXPECT_FALSE(answer_matches(text, "sad"));
      EXPECT_FALSE(answer_matches(text + text, "happy"));
    }
    const std::string normal = normalize_answer(text);
    EXPECT_EQ(normalize_answer(normal), normal) << text;
  }
  EXPECT_GT(formats, 10000);
  EXPECT_LT(formats, 40000);
  EXPECT_GT(matches, 10000);
}

}  // namespace
}  // namespace prosodia
