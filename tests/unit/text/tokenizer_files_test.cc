#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "data/text/bpe_trainer.h"
#include "data/text/tokenizer.h"
#include "data/text/tokenizer_json.h"
#include "tests/unit/text/random_text.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class TokenizerFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(::testing::TempDir()) /
           (std::string("tokenizer_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  static Tokenizer trained() {
    std::vector<std::string> texts(3, "pitch and energy \"quoted\" \\ back \u4F60\u597D \x01 tab\t");
    return *train_bpe(texts, 340, omni_added_tokens());
  }
  std::string read(const std::string& name) {
    std::ifstream stream(dir_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void write(const std::string& name, const std::string& text) { std::ofstream(dir_ / name, std::ios::binary) << text; }
  // tokenizer.json with `from` replaced by `to`; expects load() to name the file and `why`.
  void expect_refused(const std::string& from, const std::string& to, const std::string& why) {
    std::string text = good_;
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write("tokenizer.json", text.replace(at, from.size(), to));
    const auto tokenizer = Tokenizer::load(dir_);
    ASSERT_FALSE(tokenizer) << to;
    EXPECT_EQ(tokenizer.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(tokenizer.error().message, HasSubstr("tokenizer"));
    EXPECT_THAT(tokenizer.error().message, HasSubstr(why));
  }
  void expect_same(const Tokenizer& a, const Tokenizer& b) {
    EXPECT_EQ(a.vocab_size(), b.vocab_size());
    EXPECT_EQ(a.model().merges(), b.model().merges());
    PhiloxStream random(10);
    for (int round = 0; round < 500; ++round) {
      const std::string text = random_utf8(random, 12) + "<|im_end|>pitch \u4F60\u597D <tool_call>";
      ASSERT_EQ(a.encode(text, true), b.encode(text, true));
      ASSERT_EQ(a.encode(text, false), b.encode(text, false));
    }
  }

  fs::path dir_;
  std::string good_;
};

TEST_F(TokenizerFilesTest, SavedTokenizerLoadsEqualAndSavesEqual) {
  const Tokenizer original = trained();
  ASSERT_TRUE(original.save(dir_));
  const auto loaded = Tokenizer::load(dir_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  expect_same(original, *loaded);
  const fs::path again = dir_ / "again" / "deeper";
  ASSERT_TRUE(loaded->save(again));
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"}) {
    EXPECT_EQ(read(name), read(std::string("again/deeper/") + name)) << name;
  }
}

TEST_F(TokenizerFilesTest, SeparateFilesGiveTheSameTokenizer) {
  const Tokenizer original = trained();
  ASSERT_TRUE(original.save(dir_));
  fs::remove(dir_ / "tokenizer.json");
  const auto loaded = Tokenizer::load(dir_);  // added tokens and their flags from tokenizer_config.json
  ASSERT_TRUE(loaded) << loaded.error().message;
  expect_same(original, *loaded);
}

TEST_F(TokenizerFilesTest, AddedTokensJsonAloneCountsAsSpecial) {
  ASSERT_TRUE(trained().save(dir_));
  fs::remove(dir_ / "tokenizer.json");
  fs::remove(dir_ / "tokenizer_config.json");
  write("added_tokens.json", R"({"<|im_end|>": 400, "<|im_start|>": 401})");
  write("merges.txt", [&] {  // as edited on Windows
    std::string crlf;
    for (const char c : read("merges.txt")) crlf += c == '\n' ? "\r\n" : std::string(1, c);
    return crlf;
  }());
  const auto loaded = Tokenizer::load(dir_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->encode("a<|im_end|>", true).back(), 400);
  EXPECT_TRUE(loaded->is_special(401));
  EXPECT_EQ(loaded->vocab_size(), 402);
}

TEST_F(TokenizerFilesTest, ConfigSurvivesLoadAndSave) {
  ASSERT_TRUE(trained().save(dir_));
  std::string config = read("tokenizer_config.json");
  config.insert(config.find('{') + 1, "\n  \"my_own_key\": 42,");
  write("tokenizer_config.json", config);
  write("chat_template.jinja", "{{ messages }}");
  ASSERT_TRUE(Tokenizer::load(dir_)->save(dir_ / "copy"));
  EXPECT_EQ(read("copy/tokenizer_config.json"), config);
  EXPECT_EQ(read("copy/chat_template.jinja"), "{{ messages }}");
}

TEST_F(TokenizerFilesTest, PairMergesAreRead) {
  const Tokenizer original = trained();
  ASSERT_TRUE(original.save(dir_));
  auto json = nlohmann::json::parse(read("tokenizer.json"));
  for (auto& merge : json["model"]["merges"]) {
    const auto text = merge.get<std::string>();
    merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
  }
  write("tokenizer.json", json.dump());
  const auto loaded = Tokenizer::load(dir_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  expect_same(original, *loaded);
}

TEST_F(TokenizerFilesTest, ForeignPipelinesAreRefused) {
  ASSERT_TRUE(trained().save(dir_));
  good_ = read("tokenizer.json");
  expect_refused(R"("normalizer":{"type":"NFC"})", R"("normalizer":{"type":"NFKC"})", "normalizer is NFKC");
  expect_refused("\\\\p{N}|", "\\\\p{N}{1,3}|", "pre_tokenizer");
  expect_refused("\"Isolated\"", "\"Removed\"", "pre_tokenizer");
  expect_refused(R"("type":"BPE")", R"("type":"Unigram")", "model.type");
  expect_refused(R"("byte_fallback":false)", R"("byte_fallback":true)", "byte_fallback");
  expect_refused(R"("ignore_merges":false)", R"("ignore_merges":true)", "ignore_merges");
  expect_refused(R"("post_processor":{"type":"ByteLevel")", R"("post_processor":{"type":"TemplateProcessing")",
                 "post_processor");
  expect_refused(R"("decoder":{"type":"ByteLevel")", R"("decoder":{"type":"WordPiece")", "decoder");
  expect_refused(R"("lstrip":false)", R"("lstrip":true)", "lstrip");
}

TEST_F(TokenizerFilesTest, MalformedFilesAreRefused) {
  ASSERT_TRUE(trained().save(dir_));
  good_ = read("tokenizer.json");
  expect_refused("{", "[", "not valid JSON");
  expect_refused("\"vocab\":{\"!\":0,", "\"vocab\":{\"!\":-1,", "token \"!\"");
  expect_refused("\"vocab\":{\"!\":0,", "\"vocab\":{\"!\":4000000000,", "token \"!\"");
  expect_refused("\"vocab\":{\"!\":0,", "\"vocab\":{\"!\":1,", "used twice");
  expect_refused("\"vocab\":{\"!\":0,", "\"vocab\":{", "0x21");
  expect_refused("\"merges\":[", "\"merges\":[\"a\",", "merges[0]");
  expect_refused("\"merges\":[", "\"merges\":[\"a nonsense\",", "nonsense");
  expect_refused("\"merges\":[", "\"merges\":[7,", "merges[0]");
  expect_refused("{\"id\":", "{\"no_id\":", "out of range");
  expect_refused("\"<|im_end|>\"", "\"<|im_start|>\"", "listed twice");
  write("tokenizer.json", "");
  EXPECT_THAT(Tokenizer::load(dir_).error().message, HasSubstr("tokenizer.json"));
  write("tokenizer.json", "[1]");
  EXPECT_THAT(Tokenizer::load(dir_).error().message, HasSubstr("expected a JSON object"));
}

TEST_F(TokenizerFilesTest, ProblemsOfSeparateFilesNameTheLine) {
  EXPECT_THAT(Tokenizer::load(dir_).error().message, HasSubstr("vocab.json and merges.txt"));
  ASSERT_TRUE(trained().save(dir_));
  fs::remove(dir_ / "tokenizer.json");
  const std::string merges = read("merges.txt");
  write("merges.txt", "#version: 0.2\na b c\n");
  EXPECT_THAT(Tokenizer::load(dir_).error().message, HasSubstr("merges.txt:2: expected two tokens"));
  write("merges.txt", "#version: 0.2\na zzz\n");
  EXPECT_THAT(Tokenizer::load(dir_).error().message, HasSubstr("merges.txt:2: \"zzz\""));
  write("merges.txt", merges);
  write("added_tokens.json", R"({"<|im_end|>": 399})");
  EXPECT_THAT(Tokenizer::load(dir_).error().message, HasSubstr("399"));  // tokenizer_config.json says another id
}

TEST_F(TokenizerFilesTest, RandomDamageNeverCrashes) {
  ASSERT_TRUE(trained().save(dir_));
  const std::string whole = read("tokenizer.json");
  PhiloxStream random(12);
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::string damaged =
        whole.substr(0, round % 4 == 0 ? random.next_below(static_cast<uint32_t>(whole.size())) : whole.size());
    for (int hit = 0; hit < 3 && !damaged.empty(); ++hit) {
      damaged[random.next_below(static_cast<uint32_t>(damaged.size()))] = static_cast<char>(random.next_below(128));
    }
    const auto parts = parse_tokenizer_json(damaged, "tokenizer.json");
    if (!parts) {
      ++refused;
      EXPECT_EQ(parts.error().code, ErrorCode::kInvalidInput);
      continue;
    }
    const auto tokenizer = Tokenizer::create(parts->model, parts->added_tokens, {});
    if (tokenizer) tokenizer->decode(tokenizer->encode("pitch <|im_end|>", true), false);
  }
  EXPECT_GT(refused, 200);
}

TEST_F(TokenizerFilesTest, SaveReportsStorageErrors) {
  write("file", "");
  const auto status = trained().save(dir_ / "file" / "folder");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kStorage);
}

}  // namespace
}  // namespace prosodia
