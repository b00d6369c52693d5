#include "reward/option_answer.h"

#include <algorithm>
#include <array>
#include <vector>

#include "reward/rules.h"

namespace prosodia {
namespace {

// Punctuation beyond ASCII that speech transcripts and models write.
constexpr std::array<std::string_view, 13> kSpaces = {"“", "”", "„", "«",  "»",  "–", "—",
                                                      "…", "¿", "¡", "。", "，", "‐"};
constexpr std::array<std::string_view, 2> kApostrophes = {"’", "‘"};

std::string with_spaces(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const auto begins = [&](std::string_view mark) { return rest.starts_with(mark); };
    if (const auto mark = std::ranges::find_if(kSpaces, begins); mark != kSpaces.end()) {
      out += ' ';
      i += mark->size();
    } else if (const auto drop = std::ranges::find_if(kApostrophes, begins); drop != kApostrophes.end()) {
      i += drop->size();
    } else {
      const auto c = static_cast<unsigned char>(rest[0]);
      const bool ascii_mark = c < 0x80 && std::ispunct(c);
      if (rest[0] != '\'') out += ascii_mark ? ' ' : rest[0];
      ++i;
    }
  }
  return out;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  const std::string folded = normalize_answer(with_spaces(text));
  for (size_t begin = 0; begin < folded.size();) {
    const size_t end = std::min(folded.find(' ', begin), folded.size());
    if (end > begin) words.push_back(folded.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

struct Option {
  size_t index = 0;
  std::vector<std::string> words;
};

// Each option once, those of more words (then of more letters) first.
std::vector<Option> longest_first(std::span<const std::string> options) {
  std::vector<Option> sorted;
  for (size_t i = 0; i < options.size(); ++i) {
    Option option{i, words_of(options[i])};
    const auto same = [&](const Option& other) { return other.words == option.words; };
    if (!option.words.empty() && std::ranges::none_of(sorted, same)) sorted.push_back(std::move(option));
  }
  std::ranges::stable_sort(sorted, [](const Option& a, const Option& b) { return a.words.size() > b.words.size(); });
  return sorted;
}

// Takes every occurrence out of `words`; whether there was one.
bool take_out(std::vector<std::string>& words, const std::vector<std::string>& option) {
  bool found = false;
  for (auto at = words.begin();;) {
    at = std::search(at, words.end(), option.begin(), option.end());
    if (at == words.end()) return found;
    found = true;
    for (size_t i = 0; i < option.size(); ++i) (at + static_cast<std::ptrdiff_t>(i))->clear();
  }
}

}  // namespace

std::optional<std::string> chosen_option(std::string_view response, std::span<const std::string> options) {
  std::vector<std::string> words = words_of(extract_answer(response).value_or(response));
  std::optional<size_t> chosen;
  for (const Option& option : longest_first(options)) {
    if (!take_out(words, option.words)) continue;
    if (chosen) return std::nullopt;
    chosen = option.index;
  }
  if (!chosen) return std::nullopt;
  return options[*chosen];
}

bool option_answer_matches(std::string_view response, std::string_view solution, std::span<const std::string> options) {
  const std::vector<std::string> wanted = words_of(solution);
  if (wanted.empty()) return false;
  if (words_of(extract_answer(response).value_or(response)) == wanted) return true;
  const auto chosen = chosen_option(response, options);
  return chosen && words_of(*chosen) == wanted;
}

}  // namespace prosodia
