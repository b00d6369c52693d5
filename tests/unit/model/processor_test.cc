#include "workers/model/processor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/unit/model/tiny_model.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class ProcessorTest : public testing::Test {
 protected:
  ProcessorTest() {
    ok(create_model_dir(tiny_options(), tiny_tokenizer(), dir_.path()));
    write_tone(dir_ / "a.wav", 1.0);
    write_tone(dir_ / "b.wav", 0.5, 330);
    processor_ = value_of(Processor::load(dir_.path(), std::make_shared<AudioStore>()));
  }
  Sample sample(const std::string& json) const { return value_of(parse_sample(json, dir_.path(), "test.jsonl", 3)); }
  std::string error_of(const Sample& sample) const {
    auto encoded = processor_->encode(sample, true);
    EXPECT_FALSE(encoded);
    if (encoded) return "";
    EXPECT_EQ(encoded.error().code, ErrorCode::kInvalidInput);
    return encoded.error().message;
  }

  TempDir dir_;
  std::unique_ptr<Processor> processor_;
};

TEST_F(ProcessorTest, PromptEndsAtTheAssistantHeader) {
  const Sample row = sample(R"({"messages":[{"role":"user","content":"<audio>Which emotion?<audio>"},
      {"role":"assistant","content":"happy"}],"audios":["a.wav","b.wav"]})");
  const EncodedPrompt prompt = value_of(processor_->encode(row, true));
  ASSERT_EQ(prompt.clips.size(), 2);
  EXPECT_EQ(prompt.clips[0]->num_frames, 100);
  const auto audio = std::ranges::count(prompt.token_ids, *processor_->tokenizer().token_id(kAudio));
  EXPECT_EQ(audio, num_audio_tokens(100) + num_audio_tokens(50));
  const std::string text = processor_->tokenizer().decode(prompt.token_ids, false);
  EXPECT_THAT(text, HasSubstr("<|audio_eos|>Which emotion?<|audio_bos|>"));
  EXPECT_TRUE(text.ends_with("<|im_start|>assistant\n")) << text;
  EXPECT_EQ(std::ranges::count(prompt.assistant_mask, 1), 0);
}

TEST_F(ProcessorTest, ConversationMarksTheAssistantContentAndItsEnd) {
  const Sample row = sample(R"({"messages":[{"role":"user","content":"Which emotion?"},
      {"role":"assistant","content":"happy"}]})");
  const EncodedPrompt conversation = value_of(processor_->encode(row, false));
  std::vector<int32_t> marked;
  for (size_t i = 0; i < conversation.token_ids.size(); ++i) {
    if (conversation.assistant_mask[i]) marked.push_back(conversation.token_ids[i]);
  }
  EXPECT_EQ(processor_->tokenizer().decode(marked, false), "happy<|im_end|>");
  EXPECT_EQ(marked.back(), processor_->im_end_id());
  const EncodedPrompt prompt = value_of(processor_->encode(row, true));
  EXPECT_TRUE(std::equal(prompt.token_ids.begin(), prompt.token_ids.end(), conversation.token_ids.begin()));
}

TEST_F(ProcessorTest, MismatchedAudioIsAnErrorNamingTheLine) {
  Sample row = sample(R"({"messages":[{"role":"user","content":"<audio>x"}],"audios":["a.wav"]})");
  row.audios.push_back(row.audios[0]);
  EXPECT_THAT(error_of(row),
              testing::AllOf(HasSubstr("test.jsonl:3: "), HasSubstr("1 `<audio>` tags"), HasSubstr("2 `audios`")));
}

TEST_F(ProcessorTest, UnreadableAndShortClipsAreNamed) {
  EXPECT_THAT(error_of(sample(R"({"messages":[{"role":"user","content":"<audio>"}],"audios":["none.wav"]})")),
              HasSubstr("none.wav"));
  write_tone(dir_ / "short.wav", 0.015);
  EXPECT_THAT(error_of(sample(R"({"messages":[{"role":"user","content":"<audio>"}],"audios":["short.wav"]})")),
              HasSubstr("short.wav"));
}

TEST_F(ProcessorTest, LogMelsAreCachedUpToTheLimit) {
  const std::string a = (dir_ / "a.wav").string(), b = (dir_ / "b.wav").string();
  EXPECT_EQ(value_of(processor_->log_mel(a)), value_of(processor_->log_mel(a)));
  const size_t room_for_a = 128 * 100 * sizeof(float);
  const auto small = value_of(Processor::load(dir_.path(), std::make_shared<AudioStore>(), {room_for_a}));
  const auto first = value_of(small->log_mel(a));
  EXPECT_EQ(value_of(small->log_mel(a)), first);
  value_of(small->log_mel(b));  // pushes a out
  const auto again = value_of(small->log_mel(a));
  EXPECT_NE(again, first);
  EXPECT_EQ(again->values, first->values);
}

TEST_F(ProcessorTest, EncodesFromManyThreads) {
  const Sample row = sample(R"({"messages":[{"role":"user","content":"<audio>x"}],"audios":["a.wav"]})");
  const auto expected = value_of(processor_->encode(row, true)).token_ids;
  std::atomic<int> equal = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 20; ++n) equal += processor_->encode(row, true)->token_ids == expected;
      });
    }
  }
  EXPECT_EQ(equal, 80);
}

TEST_F(ProcessorTest, ForeignTokenizerIsRefused) {
  std::ifstream in(dir_ / "config.json");
  nlohmann::json config = nlohmann::json::parse(in);
  config["audio_token_index"] = 5;
  std::ofstream(dir_ / "config.json") << config;
  const auto processor = Processor::load(dir_.path(), nullptr);
  ASSERT_FALSE(processor);
  EXPECT_THAT(processor.error().message, HasSubstr("audio_token_index"));
}

}  // namespace
}  // namespace prosodia
