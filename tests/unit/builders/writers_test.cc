// Reasoning by others: a file of texts, and a model that is checked and asked again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/builders/jsonl_writer.h"
#include "data/builders/model_writer.h"
#include "tests/unit/builders/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

using Writers = BuildTest;

std::vector<ReasoningRequest> some_requests(int count) {
  std::vector<ReasoningRequest> requests;
  for (int i = 0; i < count; ++i) {
    ReasoningRequest request;
    request.id = fmt::format("u{}", i);
    request.cues.pitch = "low";
    request.emotion = request.true_emotion = "sad";
    request.draft = "The pitch is low.";
    request.draft_writer = "grammar:small";
    requests.push_back(request);
  }
  return requests;
}

TEST_F(Writers, TextsOfAFileAreMergedAndTheRestIsWritten) {
  write_text(
      dir_ / "texts.jsonl",
      "{\"id\":\"u1\",\"reasoning\":\"The voice trembles at the end.\"}\n\n{\"id\":\"u2\",\"reasoning\":\"Loud.\"}\n");
  auto writer = JsonlWriter::open(dir_ / "texts.jsonl");
  ASSERT_TRUE(writer) << writer.error().message;
  options_.writer = writer->get();
  options_.coldstart_rows = 43;  // one pass over the training split
  build();
  int merged = 0;
  for (const Sample& sample : rows("coldstart.sft.jsonl")) {
    if (sample.row["source"]["writer"] != "jsonl:texts.jsonl") {
      EXPECT_EQ(sample.row["source"]["writer"], "grammar:small");
      continue;
    }
    ++merged;
    const std::string text = sample.row["id"] == "u1" ? "The voice trembles at the end." : "Loud.";
    EXPECT_EQ(sample.messages.back().content,
              fmt::format("<think>{}</think><answer>{}</answer>", text, sample.solution));
    EXPECT_FALSE(sample.row["source"].contains("changed")) << "the noise is the grammar's";
  }
  EXPECT_EQ(merged, 2);
  EXPECT_THAT(report_.notes, ::testing::Contains(HasSubstr("2 texts from texts.jsonl, 41 by the grammar")));
}

TEST_F(Writers, BadFilesAreNamedWithTheirLine) {
  const auto message = [&](const std::string& text) {
    write_text(dir_ / "bad.jsonl", text);
    const auto writer = JsonlWriter::open(dir_ / "bad.jsonl");
    EXPECT_FALSE(writer) << text;
    return writer ? "" : writer.error().message;
  };
  EXPECT_THAT(message("{\"id\":\"a\",\"reasoning\":\"x\"}\n{\"id\":\"b\"}\n"),
              HasSubstr("bad.jsonl:2: \"reasoning\" is missing"));
  EXPECT_THAT(message("{\"id\":3,\"reasoning\":\"x\"}"), HasSubstr("bad.jsonl:1: \"id\" is 3"));
  EXPECT_THAT(message("{\"id\":\"a\",\"reasoning\":\"<think>x</think>\"}"), HasSubstr("holds <think>"));
  EXPECT_THAT(message("{\"id\":\"a\",\"reasoning\":\"x\"}\n{\"id\":\"a\",\"reasoning\":\"y\"}"), HasSubstr("already"));
  EXPECT_THAT(message("not json"), HasSubstr("bad.jsonl:1"));
  EXPECT_THAT(message(" \n"), HasSubstr("no reasoning in it"));
  EXPECT_THAT(JsonlWriter::open(dir_ / "none.jsonl").error().message, HasSubstr("none.jsonl: cannot be read"));
}

// A model that answers well when asked the second time, and never for every third utterance.
TEST(ModelWriter, RefusedTextsAreAskedForAgainThenWrittenByTheGrammar) {
  std::vector<size_t> sizes;
  std::set<uint64_t> seeds;
  const GenerateTexts generate = [&](const auto& prompts, uint64_t seed) -> Result<std::vector<std::string>> {
    sizes.push_back(prompts.size());
    seeds.insert(seed);
    std::vector<std::string> texts;
    for (size_t i = 0; i < prompts.size(); ++i)
      texts.push_back(sizes.size() == 1 ? "no tags" : fmt::format("<think> Text {}. </think><answer>sad</answer>", i));
    return texts;
  };
  const FindObjection objection = [](std::string_view, const ReasoningRequest& request) -> std::optional<std::string> {
    return request.id == "u0" || request.id == "u3" ? std::optional<std::string>("not wanted") : std::nullopt;
  };
  ModelWriter writer({.name = "m", .retries = 2, .seed = 5}, generate, objection);
  const auto written = writer.write(some_requests(5));
  ASSERT_TRUE(written);
  EXPECT_EQ(sizes, (std::vector<size_t>{5, 5, 2}));
  EXPECT_EQ(seeds.size(), 3u);
  EXPECT_EQ((*written)[0].writer, "grammar:small");
  EXPECT_EQ((*written)[0].text, "The pitch is low.");
  EXPECT_EQ((*written)[1].writer, "model:m");
  EXPECT_EQ((*written)[1].text, "Text 1.");
  EXPECT_EQ((*written)[4].text, "Text 4.");
  EXPECT_EQ(writer.summary(),
            "writer: 3 texts by model m, 2 by the grammar; 12 attempts, 5 refused: no reasoning in <think></think>, 4 "
            "refused: not wanted");
}

TEST(ModelWriter, IsToldTheCuesTheWordsAndTheLabel) {
  ReasoningRequest request = some_requests(1)[0];
  request.transcript = "das Haus";
  request.language = "de";
  const std::vector<Message> prompt = writing_prompt(request);
  EXPECT_THAT(prompt.back().content, HasSubstr("- pitch: low\n"));
  EXPECT_THAT(prompt.back().content, HasSubstr("(language de): \"das Haus\""));
  EXPECT_THAT(prompt.back().content, HasSubstr("</think><answer>sad</answer>"));
}

TEST(ModelWriter, AFailingModelFailsTheBuild) {
  ModelWriter writer(
      {},
      [](const auto&, uint64_t) -> Result<std::vector<std::string>> { return fail(ErrorCode::kInterrupted, "stop"); },
      [](auto, const auto&) { return std::nullopt; });
  EXPECT_EQ(writer.write(some_requests(2)).error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace prosodia
