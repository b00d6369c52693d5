#include "data/text/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "data/text/bpe_trainer.h"
#include "tests/unit/text/random_text.h"

namespace prosodia {
namespace {

using ::testing::HasSubstr;
using Merges = std::vector<std::pair<int32_t, int32_t>>;

std::vector<std::string> byte_pieces() {
  std::vector<std::string> pieces;
  for (int byte = 0; byte < 256; ++byte) pieces.emplace_back(1, static_cast<char>(byte));
  return pieces;
}

// The definition: merge the lowest-ranked adjacent pair, leftmost first, until there is none.
std::vector<int32_t> merge_by_definition(const BpeModel& model, std::string_view word) {
  std::map<std::pair<int32_t, int32_t>, int> rank;
  for (size_t i = 0; i < model.merges().size(); ++i) rank[model.merges()[i]] = static_cast<int>(i);
  std::vector<int32_t> ids;
  for (const char byte : word) ids.push_back(*model.id_of(std::string(1, byte)));
  while (true) {
    int best = 1 << 30;
    size_t at = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto found = rank.find({ids[i], ids[i + 1]});
      if (found != rank.end() && found->second < best) {
        best = found->second;
        at = i;
      }
    }
    if (best == 1 << 30) return ids;
    ids[at] = *model.id_of(model.pieces()[ids[at]] + model.pieces()[ids[at + 1]]);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// Random merge lists over a small alphabet give every kind of overlap and competition.
TEST(BpeModel, EqualsTheDefinition) {
  PhiloxStream random(4);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> pieces = byte_pieces();
    Merges merges;
    const auto usable = [&](uint32_t i) {
      return i < 3 ? static_cast<int32_t>('a' + i) : static_cast<int32_t>(253 + i);
    };
    for (uint32_t tries = 0; tries < 30; ++tries) {
      const auto count = static_cast<uint32_t>(pieces.size() - 253);
      const std::pair pair{usable(random.next_below(count)), usable(random.next_below(count))};
      const std::string merged = pieces[pair.first] + pieces[pair.second];
      if (std::ranges::find(merges, pair) != merges.end() || merged.size() > 12) continue;
      merges.push_back(pair);
      if (std::ranges::find(pieces, merged) == pieces.end()) pieces.push_back(merged);
    }
    const auto model = BpeModel::create(pieces, merges);
    ASSERT_TRUE(model) << model.error().message;
    BpeModel::Scratch scratch;
    for (int word = 0; word < 40; ++word) {
      std::string text;
      for (uint32_t n = random.next_below(24); n > 0; --n) text += static_cast<char>('a' + random.next_below(3));
      std::vector<int32_t> ids;
      model->encode_word(text, scratch, ids);
      ASSERT_EQ(ids, merge_by_definition(*model, text)) << text << " round " << round;
    }
  }
}

TEST(BpeModel, LongWordsTakeReasonableTime) {
  auto pieces = byte_pieces();
  pieces.push_back("aa");
  pieces.push_back("aaaa");
  const auto model = BpeModel::create(pieces, {{'a', 'a'}, {256, 256}});
  ASSERT_TRUE(model);
  BpeModel::Scratch scratch;
  std::vector<int32_t> ids;
  model->encode_word(std::string(400001, 'a'), scratch, ids);
  EXPECT_EQ(ids.size(), 100001u);  // a quadratic merge would hit the test's time limit
}

TEST(BpeModel, RefusesWhatIsNoByteLevelBpe) {
  auto pieces = byte_pieces();
  pieces[65].clear();
  EXPECT_THAT(BpeModel::create(pieces, {}).error().message, HasSubstr("0x41"));
  pieces = byte_pieces();
  pieces.push_back("a");
  EXPECT_THAT(BpeModel::create(pieces, {}).error().message, HasSubstr("same token"));
  EXPECT_THAT(BpeModel::create(byte_pieces(), {{'a', 'b'}}).error().message, HasSubstr("result"));
  EXPECT_THAT(BpeModel::create(byte_pieces(), {{'a', 999}}).error().message, HasSubstr("999"));
  pieces = byte_pieces();
  pieces.push_back("ab");
  EXPECT_THAT(BpeModel::create(pieces, {{'a', 'b'}, {'a', 'b'}}).error().message, HasSubstr("twice"));
}

std::vector<std::string> merged_texts(const Tokenizer& tokenizer) {
  return {tokenizer.model().pieces().begin() + 256, tokenizer.model().pieces().end()};
}

TEST(TrainBpe, MostFrequentFirstThenLowestIds) {
  // "ab" occurs 3 times; "ba", "cd" and " ab" twice each. Ids follow the printable alphabet, where ' ' (U+0120) is
  // behind the letters.
  const auto tokenizer = train_bpe({"ab ab ab", "cd cd", "ba ba"}, 262, {});
  ASSERT_TRUE(tokenizer);
  EXPECT_THAT(merged_texts(*tokenizer), testing::ElementsAre("ab", "ba", "cd", " ab"));
}

TEST(TrainBpe, SplitsAndNormalisesLikeTheTokenizer) {
  const auto tokenizer = train_bpe({"e\u0301e\u0301 12 12 12"}, 400, {});
  ASSERT_TRUE(tokenizer);
  EXPECT_TRUE(tokenizer->token_id("\u00E9"));
  EXPECT_FALSE(tokenizer->token_id("12"));  // digits stand alone
  EXPECT_FALSE(tokenizer->token_id("\u00E9 "));
}

TEST(TrainBpe, AddedTokensComeLastAndSizesHold) {
  std::vector<std::string> texts;
  PhiloxStream random(5);
  for (int i = 0; i < 200; ++i) texts.push_back(random_utf8(random, 40) + " the emotion is happy");
  const auto tokenizer = train_bpe(texts, 330, omni_added_tokens());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->vocab_size(), 330);
  EXPECT_EQ(tokenizer->token_id("<|endoftext|>"), 308);
  EXPECT_EQ(tokenizer->token_id("<|im_end|>"), 310);
  EXPECT_EQ(tokenizer->token_id("<|AUDIO|>"), 311);
  EXPECT_EQ(tokenizer->token_id("<|file_sep|>"), 329);
  EXPECT_FALSE(tokenizer->token_id("<think>"));
  EXPECT_TRUE(tokenizer->is_special(311));
  EXPECT_FALSE(tokenizer->is_special(*tokenizer->token_id("<tool_call>")));
  // The order of the texts does not matter, nor does training twice.
  std::ranges::reverse(texts);
  EXPECT_EQ(train_bpe(texts, 330, omni_added_tokens())->model().merges(), tokenizer->model().merges());
}

TEST(TrainBpe, StopsWhenNoPairIsFrequent) {
  const auto tokenizer = train_bpe({"abc"}, 1000, omni_added_tokens());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->vocab_size(), 256 + 22);
  EXPECT_EQ(train_bpe({"abc"}, 1000, {}, 1)->vocab_size(), 256 + 2);
  EXPECT_EQ(train_bpe({}, 1000, {})->vocab_size(), 256);
}

// Two ways to spell one token, and pairs that come up again through the second way.
TEST(TrainBpe, EveryTokenIsReachable) {
  PhiloxStream random(6);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> texts;
    for (int i = 0; i < 30; ++i) {
      std::string word;
      for (uint32_t n = 1 + random.next_below(14); n > 0; --n) word += static_cast<char>('a' + random.next_below(2));
      texts.push_back(word);
    }
    const auto tokenizer = train_bpe(texts, 320, {});
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    for (const std::string& text : texts) {
      ASSERT_EQ(tokenizer->encode(text, false), merge_by_definition(tokenizer->model(), text));
    }
  }
}

TEST(TrainBpe, RefusesImpossibleOptions) {
  EXPECT_EQ(train_bpe({"a"}, 277, omni_added_tokens()).error().code, ErrorCode::kUsage);
  EXPECT_FALSE(train_bpe({"a"}, -1, {}));
  EXPECT_FALSE(train_bpe({"a"}, 300, {}, 0));
  EXPECT_FALSE(train_bpe({"a"}, 300, {{.content = "x"}, {.content = "x"}}));
  EXPECT_FALSE(train_bpe({"a"}, 300, {{.content = ""}}));
}

}  // namespace
}  // namespace prosodia
