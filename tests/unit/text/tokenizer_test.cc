#include "data/text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/text/bpe_trainer.h"
#include "data/text/unicode.h"
#include "tests/unit/text/random_text.h"

namespace prosodia {
namespace {

const Tokenizer& small() {
  static const Tokenizer tokenizer = [] {
    std::vector<std::string> texts(3,
                                   "The voice is high and the emotion is happy, isn't it? <think>pitch</think> "
                                   "na\u00EFve \u4F60\u597D \U0001F600\U0001F680");
    return *train_bpe(texts, 400, omni_added_tokens());
  }();
  return tokenizer;
}

TEST(Tokenizer, DecodeReturnsTheNormalisedText) {
  PhiloxStream random(7);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_utf8(random, 16);
    // NFC runs on each segment between added tokens; random text has none.
    ASSERT_EQ(small().decode(small().encode(text, true), false), nfc(text));
    ASSERT_EQ(small().decode(small().encode(text, false), false), nfc(text));
  }
}

TEST(Tokenizer, InvalidUtf8ReadsAsReplacementCharacters) {
  PhiloxStream random(8);
  for (int round = 0; round < 20000; ++round) {
    const std::string bytes = random_bytes(random, 12);
    std::string text;
    append_utf8_lossy(bytes, text);
    ASSERT_EQ(small().encode(bytes, true), small().encode(text, true));
  }
}

TEST(Tokenizer, SpecialTokensAreTextUnlessAllowed) {
  const int32_t end = *small().token_id("<|im_end|>"), call = *small().token_id("<tool_call>");
  const std::string text = "a<|im_end|>b<tool_call>";
  const auto allowed = small().encode(text, true), plain = small().encode(text, false);
  EXPECT_EQ(std::ranges::count(allowed, end), 1);
  EXPECT_EQ(std::ranges::count(plain, end), 0);
  EXPECT_EQ(std::ranges::count(plain, call), 1);  // not special: matched in both
  EXPECT_EQ(small().decode(allowed, false), text);
  EXPECT_EQ(small().decode(plain, true), text);
  EXPECT_EQ(small().decode(allowed, true), "ab<tool_call>");
}

TEST(Tokenizer, NormalisationDoesNotCrossAddedTokens) {
  const auto ids = small().encode("e<|im_end|>\u0301", true);
  EXPECT_EQ(small().decode(ids, false), "e<|im_end|>\u0301");
}

TEST(Tokenizer, LongestAddedTokenWinsLeftmost) {
  const auto base = train_bpe({}, 256, {});
  const auto tokenizer =
      Tokenizer::create(base->model(), {{.content = "<a"}, {.content = "<a>"}, {.content = "a>b"}}, {});
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("<a>b", true), (std::vector<int32_t>{257, *tokenizer->token_id("b")}));
  EXPECT_EQ(tokenizer->encode("<a<a>", true), (std::vector<int32_t>{256, 257}));
}

// `tokenizers` matches tokens flagged normalized after NFC, others before.
TEST(Tokenizer, NormalizedAddedTokensMatchAfterNfc) {
  const auto base = train_bpe({}, 256, {});
  const auto tokenizer = Tokenizer::create(
      base->model(),
      {{.content = "caf\u00E9", .special = false, .normalized = true}, {.content = "\u00E9\u00E9", .special = false}},
      {});
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("cafe\u0301", true), (std::vector<int32_t>{256}));
  EXPECT_EQ(tokenizer->encode("e\u0301\u00E9", true).size(), 4u);  // raw text holds no "éé"
  EXPECT_EQ(tokenizer->encode("\u00E9\u00E9", true), (std::vector<int32_t>{257}));
}

TEST(Tokenizer, IdsOutsideTheVocabularyGiveNothing) {
  EXPECT_EQ(small().decode(std::vector<int32_t>{-1, 1 << 30, small().vocab_size()}, false), "");
  EXPECT_EQ(small().token_bytes(-5), "");
  EXPECT_FALSE(small().is_special(-5));
  EXPECT_FALSE(small().token_id("no such token"));
}

TEST(Tokenizer, IncompleteBytesDecodeToReplacementCharacters) {
  const int32_t lead = *small().token_id("\xF0"), end = *small().token_id("<|im_end|>"), a = *small().token_id("a");
  EXPECT_EQ(small().decode(std::vector<int32_t>{lead, a}, false), "\uFFFDa");
  EXPECT_EQ(small().decode(std::vector<int32_t>{lead, end, a}, false), "\uFFFD<|im_end|>a");
}

TEST(Tokenizer, CreateRefusesConflicts) {
  const BpeModel model = train_bpe({}, 256, {})->model();
  EXPECT_FALSE(Tokenizer::create(model, {{.content = "x", .id = 300}, {.content = "y", .id = 300}}, {}));
  EXPECT_FALSE(Tokenizer::create(model, {{.content = "xyz", .id = 5}}, {}));
  EXPECT_FALSE(Tokenizer::create(model, {{.content = "xyz", .id = 1 << 30}}, {}));
  EXPECT_FALSE(Tokenizer::create(model, {{.content = "\xFF"}}, {}));
  EXPECT_TRUE(Tokenizer::create(model, {{.content = "!", .id = 0}}, {}));  // the vocabulary's own token
}

TEST(StreamingDecoder, PiecesJoinToDecode) {
  PhiloxStream random(9);
  for (int round = 0; round < 3000; ++round) {
    std::vector<int32_t> ids;
    for (uint32_t n = random.next_below(12); n > 0; --n) {
      const bool any = random.next_below(2) == 0;
      ids.push_back(static_cast<int32_t>(random.next_below(any ? small().vocab_size() + 5 : 256)));
    }
    for (const bool skip_special : {false, true}) {
      StreamingDecoder decoder(small(), skip_special);
      std::string text;
      for (const int32_t id : ids) {
        const std::string piece = decoder.push(id);
        ASSERT_TRUE(is_valid_utf8(piece));
        text += piece;
      }
      ASSERT_EQ(text + decoder.finish(), small().decode(ids, skip_special));
    }
  }
}

TEST(StreamingDecoder, TextComesOutAsSoonAsItIsComplete) {
  StreamingDecoder decoder(small(), true);
  const auto byte = [](const char* bytes) { return *small().token_id(bytes); };
  EXPECT_EQ(decoder.push(byte("a")), "a");
  EXPECT_EQ(decoder.push(byte("\xF0")), "");
  EXPECT_EQ(decoder.push(byte("\x9F")), "");
  EXPECT_EQ(decoder.push(byte("\x98")), "");
  EXPECT_EQ(decoder.push(byte("\x80")), "\U0001F600");
  EXPECT_EQ(decoder.push(byte("\xE2")), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

}  // namespace
}  // namespace prosodia
