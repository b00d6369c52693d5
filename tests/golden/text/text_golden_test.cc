// The tokenizer, its trainer and the chat template against Hugging Face's `tokenizers` and `transformers`.
// Stored values: generate.py.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/text/bpe_trainer.h"
#include "data/text/chat.h"
#include "data/text/tokenizer.h"
#include "data/text/tokenizer_json.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kMerges = 500;  // as in generate.py

// ctest sets both; by hand the tests run from the source root.
fs::path directory(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr ? value : ".";
}

fs::path golden(const std::string& name) { return directory("PROSODIA_SOURCE_DIR") / "tests/golden/text" / name; }
fs::path shared_tokenizer() { return directory("PROSODIA_SHARED_DIR") / "tokenizer"; }

std::string contents(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream) << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<std::string> corpus() { return Json::parse(contents(golden("corpus.json"))); }

Tokenizer train() {
  const auto specials = omni_added_tokens();
  auto tokenizer = train_bpe(corpus(), 256 + kMerges + static_cast<int>(specials.size()), specials);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *tokenizer;
}

// Rows of generate.py: encoding with and without special tokens, decoding of arbitrary ids.
void expect_equal_rows(const Tokenizer& tokenizer, const Json& rows) {
  ASSERT_GE(rows.size(), 300u);
  for (const Json& row : rows) {
    const auto text = row["text"].get<std::string>();
    const auto ids = row["ids"].get<std::vector<int32_t>>();
    const auto plain = row["plain_ids"].is_null() ? ids : row["plain_ids"].get<std::vector<int32_t>>();
    const auto odd = row["odd"].get<std::vector<int32_t>>();
    ASSERT_EQ(tokenizer.encode(text, true), ids) << row["text"];
    ASSERT_EQ(tokenizer.encode(text, false), plain) << row["text"];
    ASSERT_EQ(tokenizer.decode(odd, false), row["decoded"].get<std::string>()) << row["odd"];
    ASSERT_EQ(tokenizer.decode(odd, true), row["decoded_skip"].get<std::string>()) << row["odd"];
  }
}

TEST(TrainerGolden, LearnsTheMergesOfHuggingFace) {
  EXPECT_EQ(write_merges_txt(train().model()), contents(golden("hf_merges.txt")));
}

// tiny/ was written by this test and loaded by both Python libraries to make trained.vectors.json and chat.json.
TEST(TrainerGolden, SavedFilesAreTheOnesThatPythonLoaded) {
  const fs::path saved = fs::path(::testing::TempDir()) / "prosodia_trained_tokenizer";
  ASSERT_TRUE(train().save(saved));
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"}) {
    EXPECT_TRUE(contents(saved / name) == contents(golden("tiny") / name))
        << name << " differs; if that is intended: generate.py vectors " << saved;
  }
}

TEST(TokenizerGolden, TrainedTokenizerEncodesLikeHuggingFace) {
  const auto tokenizer = Tokenizer::load(golden("tiny"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  expect_equal_rows(*tokenizer, Json::parse(contents(golden("trained.vectors.json")))["rows"]);
}

TEST(TokenizerGolden, Qwen2EncodesLikeHuggingFace) {
  if (!fs::exists(shared_tokenizer())) GTEST_SKIP() << "no Qwen2 vocabulary under PROSODIA_SHARED_DIR";
  const auto tokenizer = Tokenizer::load(shared_tokenizer());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->vocab_size(), 151643);
  expect_equal_rows(*tokenizer, Json::parse(contents(golden("qwen2.vectors.json")))["rows"]);
}

// The 47 vectors that llama.cpp ships for Qwen2.
TEST(TokenizerGolden, Qwen2GivesTheVectorsOfGgml) {
  if (!fs::exists(shared_tokenizer())) GTEST_SKIP() << "no Qwen2 vocabulary under PROSODIA_SHARED_DIR";
  const auto tokenizer = Tokenizer::load(shared_tokenizer());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const std::string texts = contents(shared_tokenizer() / "ggml-vocab-qwen2.gguf.inp");
  std::istringstream expected_lines(contents(shared_tokenizer() / "ggml-vocab-qwen2.gguf.out") + "\n");
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  int count = 0;
  for (size_t at = 0; at <= texts.size(); ++count) {  // the last one is empty
    const size_t end = std::min(texts.find(kSeparator, at), texts.size());
    const std::string text = texts.substr(at, end - at);
    std::string line;
    ASSERT_TRUE(std::getline(expected_lines, line)) << "vector " << count;
    std::istringstream numbers(line);
    const std::vector<int32_t> expected(std::istream_iterator<int32_t>(numbers), {});
    EXPECT_EQ(tokenizer->encode(text, false), expected) << "vector " << count << ": " << Json(text);
    at = end + kSeparator.size();
  }
  EXPECT_EQ(count, 47);
}

TEST(ChatGolden, EncodesLikeTheTemplateInTransformers) {
  const auto tokenizer = Tokenizer::load(golden("tiny"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const Json rows = Json::parse(contents(golden("chat.json")))["rows"];
  ASSERT_EQ(rows.size(), 10u);
  for (const Json& row : rows) {
    std::vector<ChatTurn> turns;
    std::vector<int64_t> counts;
    for (const Json& message : row["messages"]) {
      ChatTurn turn{message["role"], {}};
      const Json content = message["content"].is_array() ? message["content"] : Json::array({message["content"]});
      for (const Json& item : content) {
        if (item.is_number()) {
          counts.push_back(item.get<int64_t>());
          turn.items.push_back({ChatItem::kAudio, ""});
        } else {
          turn.items.push_back({ChatItem::kText, item.get<std::string>()});
        }
      }
      turns.push_back(turn);
    }
    const auto chat = encode_chat(*tokenizer, turns, counts, row["add_generation_prompt"].get<bool>());
    ASSERT_TRUE(chat) << chat.error().message;
    EXPECT_EQ(chat->token_ids, row["ids"].get<std::vector<int32_t>>()) << row["messages"];
    EXPECT_EQ(chat->assistant_mask.size(), chat->token_ids.size());
  }
}

// What is learnt in SFT is what transformers' {% generation %} marks give, in conversations of one and several turns.
TEST(ChatGolden, TheAssistantMaskIsTransformers) {
  const auto tokenizer = Tokenizer::load(golden("tiny"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const Json rows = Json::parse(contents(golden("chat_masks.json")))["rows"];
  ASSERT_EQ(rows.size(), 6u);
  for (const Json& row : rows) {
    std::vector<ChatTurn> turns;
    for (const Json& message : row["messages"])
      turns.push_back({message["role"], {{ChatItem::kText, message["content"]}}});
    const auto chat = encode_chat(*tokenizer, turns, {}, false);
    ASSERT_TRUE(chat) << chat.error().message;
    EXPECT_EQ(chat->token_ids, row["ids"].get<std::vector<int32_t>>()) << row["messages"];
    EXPECT_EQ(chat->assistant_mask, row["mask"].get<std::vector<uint8_t>>()) << row["messages"];
  }
}

}  // namespace
}  // namespace prosodia
