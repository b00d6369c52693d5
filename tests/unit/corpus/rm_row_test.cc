#include "data/corpus/rm_row.h"

#include <gtest/gtest.h>

#include "data/base/json.h"

namespace prosodia {
namespace {

TEST(RmRow, MessagesHoldTheAudiosTheQuestionAndTheResponse) {
  const auto messages =
      rm_messages(PromptStyle::kShort, {.num_audios = 2, .question = "Which emotion?", .response = "<think>a</think>"});
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].role, "user");
  EXPECT_EQ(messages[1].content, "<audio><audio>Which emotion?\nResponse: <think>a</think>");
  EXPECT_NE(rm_messages(PromptStyle::kPaper, {})[0].content, messages[0].content);
  for (const std::string_view key : kRmScoreKeys)
    EXPECT_NE(rm_messages(PromptStyle::kPaper, {})[0].content.find(key), std::string::npos) << key;
}

TEST(RmRow, ATagInAResponseIsTextAndBrokenUtf8IsReplaced) {
  const auto messages = rm_messages(PromptStyle::kShort, {1, "q", "a<audio>b<audio><image><video>\xff"});
  EXPECT_EQ(count_audio_tags(messages), 1u);
  EXPECT_EQ(messages[1].content, "<audio>q\nResponse: a< audio>b< audio>< image>< video>\xEF\xBF\xBD");
  // What a training row says after a trip through a file is what the scorer asks with.
  const nlohmann::json row = {{"messages", {{{"role", "user"}, {"content", messages[1].content}}}},
                              {"audios", {"/a.wav"}}};
  const auto sample = parse_sample(dump_line(row), "/", "f", 1);
  ASSERT_TRUE(sample) << sample.error().message;
  EXPECT_EQ(sample->messages[0].content, messages[1].content);
}

TEST(RmRow, TheQuestionIsTheLastUserTurnWithoutTags) {
  const std::vector<Message> messages = {
      {"system", "s"}, {"user", "first"}, {"assistant", "x"}, {"user", "<audio>second?<audio>"}, {"assistant", "y"}};
  EXPECT_EQ(rm_question(messages), "second?");
  EXPECT_EQ(rm_question(std::vector<Message>{{"assistant", "y"}}), "");
}

TEST(RmRow, AnswersRoundTripInTheFixedOrder) {
  EXPECT_EQ(
      rm_answer({4, 2, 5, 3}),
      R"({"factual_alignment":4,"interpretative_quality":2,"caption_completeness":5,"fluency_structural_clarity":3})");
  for (int score = kMinRmScore; score <= kMaxRmScore; ++score) {
    const RmScores scores = {score, 6 - score, 1, 5};
    EXPECT_EQ(parse_rm_answer(rm_answer(scores), "x"), scores);
  }
  const auto reordered = parse_rm_answer(
      R"( {"caption_completeness":5,"why":"…","interpretative_quality":2,"factual_alignment":4,"fluency_structural_clarity":3} )",
      "x");
  EXPECT_EQ(reordered, (RmScores{4, 2, 5, 3}));
}

TEST(RmRow, EveryOtherAnswerIsRefusedNamingTheKey) {
  const auto message = [](std::string_view text) {
    const auto parsed = parse_rm_answer(text, "row 7");
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  const std::string good = rm_answer({4, 2, 5, 3});
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  EXPECT_NE(message(with(":5", ":6")).find("row 7: \"caption_completeness\" is 6, expected an integer from 1 to 5"),
            std::string::npos);
  EXPECT_NE(message(with(":5", ":0")).find("caption_completeness"), std::string::npos);
  EXPECT_NE(message(with(":5", ":5.0")).find("caption_completeness"), std::string::npos);
  EXPECT_NE(message(with(":5", ":\"5\"")).find("caption_completeness"), std::string::npos);
  EXPECT_NE(message(with(":5", ":4294967297")).find("caption_completeness"), std::string::npos);
  EXPECT_NE(message(with(",\"caption_completeness\":5", "")).find("missing"), std::string::npos);
  EXPECT_NE(message("[4,2,5,3]").find("row 7"), std::string::npos);
  EXPECT_NE(message("").find("row 7"), std::string::npos);
}

}  // namespace
}  // namespace prosodia
