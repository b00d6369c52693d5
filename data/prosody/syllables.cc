#include <cctype>
#include <string>

#include "data/prosody/measure.h"

namespace prosodia {
namespace {

bool is_vowel(char c) { return std::string_view("aeiouy").find(c) != std::string_view::npos; }

// Words whose spelling misleads the rule below, among the commonest of English.
int exception_syllables(std::string_view word) {
  struct Exception {
    std::string_view word;
    int syllables;
  };
  static constexpr Exception kExceptions[] = {
      {"area", 3},    {"being", 2},      {"business", 2},  {"create", 2},  {"doing", 2},  {"evening", 2},
      {"every", 2},   {"everything", 3}, {"going", 2},     {"idea", 3},    {"ideas", 3},  {"people", 2},
      {"piano", 3},   {"quiet", 2},      {"radio", 3},     {"science", 2}, {"seeing", 2}, {"something", 2},
      {"someone", 2}, {"sometimes", 2},  {"somewhere", 2}, {"video", 3}};
  for (const Exception& exception : kExceptions) {
    if (exception.word == word) return exception.syllables;
  }
  return 0;
}

int word_syllables(std::string_view word) {
  if (const int known = exception_syllables(word)) return known;
  int groups = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    if (is_vowel(word[i]) && (i == 0 || !is_vowel(word[i - 1]))) ++groups;
  }
  const size_t n = word.size();
  const auto ends_with = [&](std::string_view tail) { return word.ends_with(tail); };
  const auto before = [&](size_t from_end) { return n > from_end ? word[n - 1 - from_end] : ' '; };
  // Silent final e ("made"), but not "-le" after a consonant ("table"), nor "-es" and "-ed" where they are spoken.
  if (groups > 1 && ends_with("e") && !is_vowel(before(1)) && !(ends_with("le") && !is_vowel(before(2)))) --groups;
  if (groups > 1 && ends_with("ed") && !is_vowel(before(2)) && before(2) != 't' && before(2) != 'd') --groups;
  if (groups > 1 && ends_with("es") && !is_vowel(before(2)) &&
      std::string_view("sxzcgh").find(before(2)) == std::string_view::npos &&
      !(ends_with("les") && !is_vowel(before(3)))) {
    --groups;
  }
  return groups > 0 ? groups : 1;
}

}  // namespace

int count_syllables(std::string_view text) {
  int total = 0;
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) total += word_syllables(word);
    word.clear();
  };
  for (char raw : text) {
    const auto c = static_cast<unsigned char>(raw);
    if (std::isalpha(c) || c >= 0x80) {  // bytes of accented letters stay inside the word
      word.push_back(static_cast<char>(std::tolower(c)));
    } else if (raw != '\'') {
      flush();
    }
  }
  flush();
  return total;
}

}  // namespace prosodia
