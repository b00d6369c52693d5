#include "workers/rollout/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/unit/model/tiny_model.h"
#include "workers/model/load.h"

namespace prosodia {
namespace {

using namespace testing_support;
using nlohmann::json;
using testing::HasSubstr;

class GenerateTest : public testing::Test {
 protected:
  GenerateTest() {
    ok(create_model_dir(tiny_options(), tiny_tokenizer(), dir_.path()));
    write_tone(dir_ / "a.wav", 0.7);
    model_ = value_of(load_model(dir_.path()));
    roughen(*model_);
    processor_ = value_of(Processor::load(dir_.path(), std::make_shared<AudioStore>()));
  }
  std::vector<Sample> dataset(const std::vector<std::string>& lines) const {
    std::ofstream file(dir_ / "data.jsonl");
    for (const auto& line : lines) file << line << "\n";
    file.close();
    return value_of(read_dataset(dir_ / "data.jsonl"));
  }
  std::vector<json> infer_rows(const std::vector<Sample>& samples, const InferOptions& options) {
    std::vector<json> rows;
    ok(infer(*model_, *processor_, samples, options, [&](size_t index, json row) -> Status {
      EXPECT_EQ(index, rows.size()) << "input order";
      rows.push_back(std::move(row));
      return {};
    }));
    return rows;
  }

  TempDir dir_;
  std::shared_ptr<Model> model_;
  std::unique_ptr<Processor> processor_;
};

const std::vector<std::string> kRows = {
    R"({"messages":[{"role":"user","content":"<audio>Which emotion?"}],"audios":["a.wav"],"id":"r0","solution":"sad"})",
    R"({"messages":[{"role":"user","content":"Answer with one word."},{"role":"assistant","content":"happy"}],"id":"r1"})",
    R"({"messages":[{"role":"system","content":"You are a helpful assistant."},{"role":"user","content":"the speech"}],"id":"r2"})"};

TEST_F(GenerateTest, InferAddsCompletionsInInputOrder) {
  InferOptions options;
  options.sampling.max_completion_length = 12;
  options.num_generations = 3;
  options.engine.max_rows = 4;
  const auto rows = infer_rows(dataset(kRows), options);
  ASSERT_EQ(rows.size(), 3);
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(rows[i]["id"], "r" + std::to_string(i)) << "extra keys are kept";
    ASSERT_EQ(rows[i]["completions"].size(), 3);
    for (const json& completion : rows[i]["completions"]) {
      EXPECT_EQ(completion["token_ids"].size(), completion["logprobs"].size());
      EXPECT_TRUE(completion["finish_reason"] == "stop" || completion["token_ids"].size() == 12);
      EXPECT_EQ(completion["text"],
                processor_->tokenizer().decode(completion["token_ids"].get<std::vector<int32_t>>(), true));
    }
  }
  options.engine.max_rows = 1;
  EXPECT_EQ(infer_rows(dataset(kRows), options), rows) << "rows in flight change nothing";
}

TEST_F(GenerateTest, ScoreReproducesTheBitsOfInfer) {
  // Only letters that never merge and the stop token may be sampled, so that a response's text encodes to its own ids.
  InferOptions options;
  options.sampling.max_completion_length = 8;
  options.sampling.temperature = 6;
  options.sampling.stop_ids = {processor_->im_end_id()};
  std::set<int32_t> allowed = {processor_->im_end_id()};
  for (const char* letter : {"Q", "X", "Z"}) allowed.insert(*processor_->tokenizer().token_id(letter));
  for (int32_t id = 0; id < processor_->tokenizer().vocab_size(); ++id) {
    if (!allowed.contains(id)) options.sampling.suppressed_ids.push_back(id);
  }
  options.num_generations = 40;
  std::vector<std::string> lines;
  std::vector<json> sampled;
  const std::vector<json> rows = infer_rows(dataset({kRows[0]}), options);
  for (const json& completion : rows.at(0)["completions"]) {
    if (completion["finish_reason"] != "stop") continue;
    json line = json::parse(kRows[0]);
    line["messages"].push_back({{"role", "assistant"}, {"content", completion["text"]}});
    lines.push_back(line.dump());
    sampled.push_back(completion);
  }
  ASSERT_GE(sampled.size(), 5);
  ok(score(*model_, *processor_, dataset(lines), {.temperature = 6}, [&](size_t index, json row) -> Status {
    EXPECT_EQ(row["token_ids"], sampled[index]["token_ids"]);
    EXPECT_EQ(row["logprobs"], sampled[index]["logprobs"]) << "equal bits";
    return {};
  }));
}

TEST_F(GenerateTest, ScoreTakesTheLastAssistantTurnAndIgnoresBatching) {
  const auto samples = dataset(
      {R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"first"},{"role":"user","content":"b"},)"
       R"({"role":"assistant","content":"sad"}]})",
       kRows[1]});
  std::vector<json> packed, single;
  const auto collect = [](std::vector<json>& rows) {
    return [&rows](size_t, json row) -> Status {
      rows.push_back(std::move(row));
      return {};
    };
  };
  ok(score(*model_, *processor_, samples, {}, collect(packed)));
  ok(score(*model_, *processor_, samples, {.max_batch_tokens = 1}, collect(single)));
  EXPECT_EQ(packed, single);
  EXPECT_EQ(processor_->tokenizer().decode(packed[0]["token_ids"].get<std::vector<int32_t>>(), false), "sad<|im_end|>");
}

TEST_F(GenerateTest, StreamHandsOutTheTextOfInferPieceByPiece) {
  InferOptions options;
  options.sampling.max_completion_length = 12;
  options.sampling.temperature = 2;
  options.num_generations = 3;
  options.engine.max_rows = 2;  // the last response starts when an earlier one has ended
  const auto samples = dataset({kRows[0]});
  const json expected = infer_rows(samples, options).at(0);
  std::vector<std::string> texts(3);
  int pieces = 0, current = 0;
  const json row =
      value_of(stream(*model_, *processor_, samples[0], options, [&](int generation, std::string_view text) {
        EXPECT_TRUE(generation >= current && !text.empty());
        current = generation;
        texts[static_cast<size_t>(generation)] += text;
        ++pieces;
        return Status();
      }));
  EXPECT_EQ(row, expected);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(texts[i], expected["completions"][i]["text"]);
  EXPECT_GT(pieces, 6) << "not all at the end";
}

TEST_F(GenerateTest, AStopFlagEndsTheRunBetweenTokens) {
  std::atomic<bool> stop = false;
  InferOptions options;
  options.sampling.max_completion_length = 200;
  options.sampling.stop_ids = {processor_->im_end_id()};
  options.stop = &stop;
  const auto samples = dataset({kRows[0]});
  int pieces = 0;
  const auto streamed = stream(*model_, *processor_, samples[0], options, [&](int, std::string_view) {
    stop = ++pieces == 2;
    return Status();
  });
  ASSERT_FALSE(streamed);
  EXPECT_EQ(streamed.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(pieces, 2);
  EXPECT_EQ(infer(*model_, *processor_, samples, options, [](size_t, json) { return Status(); }).error().code,
            ErrorCode::kInterrupted);
}

TEST_F(GenerateTest, ErrorsStopTheRun) {
  const auto samples = dataset({kRows[0], R"({"messages":[{"role":"user","content":"no response"}]})"});
  const auto keep = [](size_t, json) -> Status { return {}; };
  const auto status = score(*model_, *processor_, samples, {}, keep);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("data.jsonl:1: "));
  const auto refused = infer(*model_, *processor_, samples, {.sampling = {.max_completion_length = 2}},
                             [](size_t, json) { return Status(fail(ErrorCode::kStorage, "disk full")); });
  EXPECT_EQ(refused.error().code, ErrorCode::kStorage);
}

}  // namespace
}  // namespace prosodia
