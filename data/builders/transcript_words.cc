#include "data/builders/transcript_words.h"

#include <algorithm>

namespace prosodia {
namespace {

constexpr std::string_view kTypographic = "\xE2\x80";  // and one more byte: quotation marks, dashes, ellipsis

bool is_word_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Bytes of the punctuation mark that `text` begins (ends) with; 0 for none.
size_t mark_in_front(std::string_view text) {
  if (text.empty()) return 0;
  if (text.size() >= 3 && text.starts_with(kTypographic)) return 3;
  return is_word_byte(text.front()) ? 0 : 1;
}
size_t mark_behind(std::string_view text) {
  if (text.empty()) return 0;
  if (text.size() >= 3 && text.substr(text.size() - 3).starts_with(kTypographic)) return 3;
  return is_word_byte(text.back()) ? 0 : 1;
}

std::string_view bare(std::string_view word) {
  while (const size_t size = mark_in_front(word)) word.remove_prefix(size);
  while (const size_t size = mark_behind(word)) word.remove_suffix(size);
  return word;
}

}  // namespace

std::vector<std::string> transcript_words(std::string_view text) {
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(" \t\r\n", at), text.size());
    const std::string_view word = bare(text.substr(at, end - at));
    if (!word.empty()) words.emplace_back(word);
    at = end + 1;
  }
  return words;
}

std::vector<std::string> distinct_words(std::string_view text) {
  std::vector<std::string> words;
  for (std::string& word : transcript_words(text)) {
    const auto same = [&](const std::string& other) { return word_key(other) == word_key(word); };
    if (std::none_of(words.begin(), words.end(), same)) words.push_back(std::move(word));
  }
  return words;
}

std::string word_key(std::string_view word) {
  std::string key(word);
  for (char& c : key) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return key;
}

}  // namespace prosodia
