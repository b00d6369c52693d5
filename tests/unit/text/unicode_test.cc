#include "data/text/unicode.h"

#include <gtest/gtest.h>

#include "data/text/byte_alphabet.h"
#include "data/text/word_split.h"
#include "tests/unit/text/random_text.h"

namespace prosodia {
namespace {

std::string lossy(std::string_view bytes) {
  std::string text;
  append_utf8_lossy(bytes, text);
  return text;
}

TEST(Utf8, EveryCodePointDecodesToItself) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c == 0xD800) c = 0xE000;
    std::string text;
    append_utf8(c, text);
    const Utf8Char decoded = utf8_at(text, 0);
    ASSERT_EQ(decoded.kind, Utf8Char::kValid);
    ASSERT_EQ(decoded.code_point, c);
    ASSERT_EQ(decoded.length, text.size());
  }
}

// One U+FFFD for each maximal subpart (Unicode, table 3-8; Rust's and Python's behaviour).
TEST(Utf8, InvalidSequencesBecomeReplacementCharacters) {
  EXPECT_EQ(lossy("a\x80z"), "a\uFFFDz");
  EXPECT_EQ(lossy("\xC0\xAF"), "\uFFFD\uFFFD");                      // overlong
  EXPECT_EQ(lossy("\xE0\x80\x80"), "\uFFFD\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(lossy("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // surrogate
  EXPECT_EQ(lossy("\xF4\x91\x92\x93"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // above U+10FFFF
  EXPECT_EQ(lossy("\xE2\x82"), "\uFFFD");                            // cut off: one for the whole beginning
  EXPECT_EQ(lossy("\xF0\x9F\x98x"), "\uFFFDx");
  EXPECT_EQ(lossy("\xFF\xC3\xA9"), "\uFFFD\u00E9");
}

TEST(Utf8, LossyOutputIsValidAndKeepsValidText) {
  PhiloxStream random(1);
  for (int round = 0; round < 20000; ++round) {
    const std::string bytes = random_bytes(random, 12), text = random_utf8(random, 8);
    ASSERT_TRUE(is_valid_utf8(lossy(bytes)));
    ASSERT_TRUE(is_valid_utf8(text));
    ASSERT_EQ(lossy(text), text);
  }
}

TEST(Utf8, IncompleteTailCompletesToACharacter) {
  EXPECT_EQ(incomplete_utf8_tail(""), 0u);
  EXPECT_EQ(incomplete_utf8_tail("abc"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a\xC3"), 1u);
  EXPECT_EQ(incomplete_utf8_tail("a\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_utf8_tail("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(incomplete_utf8_tail("\xF0\x9F\x98\x80"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\xE0\x80"), 0u);  // can never become valid
  EXPECT_EQ(incomplete_utf8_tail("\x80\x80"), 0u);
}

TEST(CharClass, TrapsOfTheSplitPattern) {
  for (const char32_t c : {0x09, 0x0A, 0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x3000}) {
    EXPECT_EQ(char_class(c), CharClass::kSpace) << std::hex << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {0x180E, 0x200B, 0xFEFF, 0x0301 /* combining mark */, 0x27, 0x1F600, 0x00}) {
    EXPECT_EQ(char_class(c), CharClass::kOther) << std::hex << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {0x41, 0xE9, 0x17F, 0x4E2D, 0x02B0, 0x1D49C}) {
    EXPECT_EQ(char_class(c), CharClass::kLetter) << std::hex << static_cast<uint32_t>(c);
  }
  for (const char32_t c : {0x30, 0xB2, 0x2167, 0x663}) {
    EXPECT_EQ(char_class(c), CharClass::kNumber) << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(Nfc, ComposesAndExcludes) {
  EXPECT_EQ(nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(nfc("o\u0302\u0323"), "\u1ED9");       // reordered, then composed
  EXPECT_EQ(nfc("\u212B"), "\u00C5");              // singleton
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093C");        // composition exclusion: NFC takes it apart
  EXPECT_EQ(nfc("\u1112\u1161\u11AB"), "\uD55C");  // Hangul
  EXPECT_EQ(nfc(std::string_view("a\0b\u00E9", 5)), std::string_view("a\0b\u00E9", 5));
  EXPECT_EQ(nfc("\uFB01"), "\uFB01");  // compatibility forms stay
}

// What `tokenizers` does: letters of Unicode 16, a normaliser of Unicode 9.
TEST(CharClass, LettersAndNumbersSinceUtf8proc) {
  EXPECT_EQ(char_class(0x13460), CharClass::kLetter);  // Unicode 16
  EXPECT_EQ(char_class(0x31350), CharClass::kLetter);  // Unicode 15
  EXPECT_EQ(char_class(0x1E4F9), CharClass::kNumber);
  EXPECT_EQ(char_class(0x143FB), CharClass::kOther);
}

TEST(Nfc, MarksSinceUnicode9StayInPlace) {
  EXPECT_EQ(nfc("e\u1ABF\u0301"), "e\u1ABF\u0301");  // Unicode 13: nothing composes across it
  EXPECT_EQ(nfc("e\u0301\u1ABF"), "\u00E9\u1ABF");   // and it does not move
  EXPECT_EQ(nfc("\u1ABF\u0301\u0323"), "\u1ABF\u0323\u0301");
  EXPECT_EQ(nfc("e\U0001E08F\u0301\u0323"), "e\U0001E08F\u0323\u0301");  // Unicode 15
  EXPECT_EQ(nfc("\U00011935\U00011930"), "\U00011935\U00011930");
}

TEST(Nfc, IsIdempotent) {
  PhiloxStream random(2);
  for (int round = 0; round < 20000; ++round) {
    const std::string once = nfc(random_utf8(random, 8));
    ASSERT_TRUE(is_valid_utf8(once));
    ASSERT_EQ(nfc(once), once);
  }
}

TEST(ByteAlphabet, IsABijectionInGpt2Order) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(from_printable(to_printable(all)), all);
  EXPECT_EQ(to_printable(" \n"), "\u0120\u010A");
  EXPECT_EQ(to_printable("\xAD"), "\u0143");  // soft hyphen, the last of the 68
  EXPECT_EQ(from_printable(" "), std::nullopt);
  EXPECT_EQ(from_printable("\u0144"), std::nullopt);
  EXPECT_EQ(bytes_in_alphabet_order()[0], '!');
  EXPECT_EQ(bytes_in_alphabet_order()[188], 0);
  EXPECT_EQ(bytes_in_alphabet_order()[220], ' ');
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = word_end(text, at);
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

TEST(WordSplit, RuleByRule) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(split("I'm he'LL they'Ve 'tis"), (Words{"I", "'m", " he", "'LL", " they", "'Ve", " '", "tis"}));
  EXPECT_EQ(split("don't'\u017F"), (Words{"don", "'t", "'\u017F"}));
  EXPECT_EQ(split("'lx 'r"), (Words{"'lx", " '", "r"}));
  EXPECT_EQ(split("a1234\u00B2"), (Words{"a", "1", "2", "3", "4", "\u00B2"}));
  EXPECT_EQ(split(" hello\thello"), (Words{" hello", "\thello"}));
  EXPECT_EQ(split("x!!\r\n\ny"), (Words{"x", "!!\r\n\n", "y"}));
  EXPECT_EQ(split("a   b"), (Words{"a", "  ", " b"}));
  EXPECT_EQ(split("a   "), (Words{"a", "   "}));
  EXPECT_EQ(split("a \n  \n  b"), (Words{"a", " \n  \n", " ", " b"}));
  EXPECT_EQ(split("  !"), (Words{" ", " !"}));
  EXPECT_EQ(split("\u3000!"), (Words{"\u3000", "!"}));    // only U+0020 joins symbols
  EXPECT_EQ(split("e\u0301a"), (Words{"e", "\u0301a"}));  // marks are no letters
  EXPECT_EQ(split("\n"), (Words{"\n"}));
  EXPECT_EQ(split(" 1"), (Words{" ", "1"}));
  EXPECT_EQ(split("\na"), (Words{"\n", "a"}));
}

TEST(WordSplit, WordsAreNeverEmptyAndJoinToTheText) {
  PhiloxStream random(3);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_utf8(random, 10);
    std::string joined;
    for (const std::string& word : split(text)) {
      ASSERT_FALSE(word.empty());
      ASSERT_TRUE(is_valid_utf8(word));
      joined += word;
    }
    ASSERT_EQ(joined, text);
  }
}

}  // namespace
}  // namespace prosodia
