#include "data/builders/transcript_words.h"

#include <algorithm>

#include "data/prosody/word_times.h"

namespace prosodia {

std::vector<std::string> distinct_words(std::string_view text) {
  std::vector<std::string> words;
  for (std::string& word : split_words(text)) {
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
