// The hand-written word split against Oniguruma, the engine behind Hugging Face's tokenizers, running the pattern
// itself.
#include <gtest/gtest.h>
// GoogleTest includes POSIX's regex.h, which has names of Oniguruma's.
#define ONIG_ESCAPE_REGEX_T_COLLISION
#define re_registers onig_re_registers
#include <oniguruma.h>
#undef re_registers

#include "data/text/unicode.h"
#include "data/text/unicode_tables.h"
#include "data/text/word_split.h"
#include "tests/unit/text/random_text.h"

namespace prosodia {
namespace {

class Pattern {
 public:
  Pattern() {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
    OnigErrorInfo info;
    const auto* text = reinterpret_cast<const OnigUChar*>(kQwen2SplitPattern.data());
    const int status = onig_new(&regex_, text, text + kQwen2SplitPattern.size(), ONIG_OPTION_CAPTURE_GROUP,
                                ONIG_ENCODING_UTF8, ONIG_SYNTAX_RUBY, &info);
    EXPECT_EQ(status, ONIG_NORMAL);
    region_ = onig_region_new();
  }
  ~Pattern() {
    onig_region_free(region_, 1);
    onig_free(regex_);
  }
  // End of the match at `begin`; 0 when there is none there.
  size_t match_end(std::string_view text, size_t begin) {
    const auto* bytes = reinterpret_cast<const OnigUChar*>(text.data());
    const auto length = onig_match(regex_, bytes, bytes + text.size(), bytes + begin, region_, ONIG_OPTION_NONE);
    return length > 0 ? begin + static_cast<size_t>(length) : 0;
  }

 private:
  OnigRegex regex_ = nullptr;
  OnigRegion* region_ = nullptr;
};

void expect_same_words(Pattern& pattern, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = word_end(text, at);
    ASSERT_EQ(end, pattern.match_end(text, at)) << "at byte " << at << " of " << testing::PrintToString(text);
    at = end;
  }
}

// Strings over the characters that the pattern distinguishes, where every rule competes with every other.
TEST(WordSplitOniguruma, SameWordsOnDenseStrings) {
  const std::vector<std::string> alphabet = {
      "'",      "s",      "T",      "re",         "V",      "e",      "l",      "L",      "\u017F", "m",
      "D",      " ",      "  ",     "\t",         "\n",     "\r",     "\u00A0", "\u3000", "\u0085", "\u2028",
      "\u200B", "\u180E", "\uFEFF", "1",          "\u00B2", "\u0663", "\u2167", "!",      "\"",     "_",
      "\u0301", "\u093C", "\u4F60", "\U0001F600", "\u00E9", "\x01",   "\u01C5", "\u02B0"};
  Pattern pattern;
  PhiloxStream random(21);
  for (int round = 0; round < 100000; ++round) {
    std::string text;
    for (uint32_t n = 1 + random.next_below(12); n > 0; --n)
      text += alphabet[random.next_below(static_cast<uint32_t>(alphabet.size()))];
    ASSERT_NO_FATAL_FAILURE(expect_same_words(pattern, text));
  }
}

// Oniguruma 6.9.8 carries the tables of Unicode 14; the product knows the letters since then.
bool is_newer(char32_t c) {
  return unicode_tables::contains(unicode_tables::kNewerLetters, c) ||
         unicode_tables::contains(unicode_tables::kNewerNumbers, c);
}

TEST(WordSplitOniguruma, SameWordsOnAnyCodePoints) {
  Pattern pattern;
  PhiloxStream random(22);
  for (int round = 0; round < 50000; ++round) {
    const std::string text = random_utf8(random, 12);
    bool known = true;
    for (size_t at = 0; at < text.size(); at += utf8_at(text, at).length)
      known &= !is_newer(utf8_at(text, at).code_point);
    if (!known) continue;
    ASSERT_NO_FATAL_FAILURE(expect_same_words(pattern, text));
  }
}

TEST(WordSplitOniguruma, SameClassOfEveryCodePoint) {
  Pattern pattern;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c == 0xD800) c = 0xE000;
    if (is_newer(c)) continue;
    std::string text = "a";
    append_utf8(c, text);
    text += "b !";
    ASSERT_NO_FATAL_FAILURE(expect_same_words(pattern, text)) << std::hex << static_cast<uint32_t>(c);
  }
}

}  // namespace
}  // namespace prosodia
