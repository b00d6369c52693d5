#include "data/prosody/syllables.h"

#include <cctype>
#include <string>

namespace prosodia {
namespace {

// Words are folded to lower-case Latin-1, one byte a letter; letters of other scripts become kOtherLetter.
constexpr char kOtherLetter = '\x01';
constexpr std::string_view kEnglishVowels =
    "aeiouy\xE0\xE1\xE2\xE4\xE8\xE9\xEA\xEB\xEC\xED\xEE\xEF\xF2\xF3\xF4\xF6\xF9\xFA\xFC";
constexpr std::string_view kGermanVowels = "aeiouy\xE0\xE1\xE2\xE4\xE8\xE9\xEA\xF6\xFC";

struct Exception {
  std::string_view word;
  int syllables;
};
template <size_t N>
int known_syllables(const Exception (&exceptions)[N], std::string_view word) {
  for (const Exception& exception : exceptions) {
    if (exception.word == word) return exception.syllables;
  }
  return 0;
}

bool is_vowel(char c) { return kEnglishVowels.find(c) != std::string_view::npos; }

int english_syllables(std::string_view word) {
  // Words whose spelling misleads the rule below, among the commonest of English.
  static constexpr Exception kExceptions[] = {
      {"area", 3},    {"being", 2},      {"business", 2},  {"create", 2},  {"doing", 2},  {"evening", 2},
      {"every", 2},   {"everything", 3}, {"going", 2},     {"idea", 3},    {"ideas", 3},  {"people", 2},
      {"piano", 3},   {"quiet", 2},      {"radio", 3},     {"science", 2}, {"seeing", 2}, {"something", 2},
      {"someone", 2}, {"sometimes", 2},  {"somewhere", 2}, {"video", 3}};
  if (const int known = known_syllables(kExceptions, word)) return known;
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

int german_syllables(std::string_view word) {
  static constexpr Exception kExceptions[] = {{"familie", 4}, {"familien", 4}, {"ferien", 3}, {"italien", 4},
                                              {"spanien", 3}, {"linie", 3},    {"asien", 3},  {"aktien", 3}};
  static constexpr std::string_view kPairs[] = {"ai", "ei", "au", "eu", "\xE4u", "ie", "aa", "ee", "oo", "ay", "ey"};
  if (const int known = known_syllables(kExceptions, word)) return known;
  const auto vowel = [&](size_t i) { return i < word.size() && kGermanVowels.find(word[i]) != std::string_view::npos; };
  int nuclei = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    if (!vowel(i)) continue;
    const bool glide = (word[i] == 'u' && i > 0 && word[i - 1] == 'q') || (word[i] == 'y' && i == 0 && vowel(1)) ||
                       (word.substr(i).starts_with("io") && i > 0 && word[i - 1] == 't');  // quer, Yoga, Nation
    if (glide) continue;
    ++nuclei;
    for (const std::string_view pair : kPairs) {
      if (word.substr(i, 2) == pair) {
        ++i;
        break;
      }
    }
  }
  return nuclei > 0 ? nuclei : 1;
}

// One letter at `at`, folded; `length` is what it takes in the text. '\0' for what is no letter.
char fold_letter(std::string_view text, size_t at, size_t& length) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned c = byte(at);
  length = 1;
  if (c < 0x80) return std::isalpha(static_cast<int>(c)) ? static_cast<char>(std::tolower(static_cast<int>(c))) : '\0';
  while ((byte(at + length) & 0xC0) == 0x80) ++length;  // continuation bytes of UTF-8
  if (c == 0xC2) return '\0';                           // Latin-1 signs: quotes, no-break space; soft hyphen below
  if (c == 0xE2 && byte(at + 1) == 0x80) return '\0';   // dashes and typographic quotes
  if (c != 0xC3 || length != 2) return kOtherLetter;
  const unsigned latin = byte(at + 1) + 0x40;
  return static_cast<char>(latin >= 0xC0 && latin <= 0xDE ? latin + 0x20 : latin);
}

bool joins_letters(std::string_view text, size_t at) {  // apostrophes and the soft hyphen
  return text[at] == '\'' || text.substr(at).starts_with("\xE2\x80\x99") || text.substr(at).starts_with("\xC2\xAD");
}

}  // namespace

std::optional<int> count_syllables(std::string_view text, std::string_view language) {
  int (*const rule)(std::string_view) = language == "en"   ? english_syllables
                                        : language == "de" ? german_syllables
                                                           : nullptr;
  if (rule == nullptr) return std::nullopt;
  int total = 0;
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) total += rule(word);
    word.clear();
  };
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    const char letter = fold_letter(text, at, length);
    if (letter != '\0') {
      word.push_back(letter);
    } else if (!joins_letters(text, at)) {
      flush();
    }
  }
  flush();
  return total;
}

}  // namespace prosodia
