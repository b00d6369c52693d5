#include "reward/text_quality.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include "reward/claim_tokens.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

double length_factor(size_t words, const TextQualityOptions& options) {
  if (words < options.min_words) return static_cast<double>(words) / static_cast<double>(options.min_words);
  if (words <= options.max_words) return 1;
  const double over = static_cast<double>(words - options.max_words) / static_cast<double>(options.max_words);
  return std::max(0.0, 1 - over);
}

double new_trigram_share(const std::vector<std::string>& words) {
  if (words.size() < 3) return 1;
  std::unordered_set<std::string> seen;
  for (size_t i = 0; i + 2 < words.size(); ++i) seen.insert(words[i] + ' ' + words[i + 1] + ' ' + words[i + 2]);
  return static_cast<double>(seen.size()) / static_cast<double>(words.size() - 2);
}

double new_sentence_share(const std::vector<ClaimSentence>& sentences) {
  if (sentences.empty()) return 1;
  std::unordered_set<std::string> seen;
  for (const ClaimSentence& sentence : sentences) {
    std::string joined;
    for (const ClaimToken& token : sentence) joined += token.text + ' ';
    seen.insert(std::move(joined));
  }
  return static_cast<double>(seen.size()) / static_cast<double>(sentences.size());
}

bool ends_as_sentence(std::string_view think) {
  const size_t last = think.find_last_not_of(" \t\r\n\"')");
  return last != think.npos && (think[last] == '.' || think[last] == '!' || think[last] == '?');
}

bool has_tags(std::string_view think) { return think.find('<') != think.npos || think.find('>') != think.npos; }

// Letters, digits, spaces and UTF-8 make up most of readable text; symbols and control bytes do not.
bool mostly_words(std::string_view think) {
  if (think.empty()) return false;
  const auto readable = std::count_if(think.begin(), think.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || c == ' ' || c == '\n' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
  });
  return static_cast<double>(readable) >= 0.85 * static_cast<double>(think.size());
}

}  // namespace

TextQuality text_quality(std::string_view response, const TextQualityOptions& options) {
  const std::string_view think = reasoning_text(response);
  const std::vector<ClaimSentence> sentences = split_claim_sentences(think);
  std::vector<std::string> words;
  for (const ClaimSentence& sentence : sentences) {
    for (const ClaimToken& token : sentence) {
      if (token.text != ",") words.push_back(token.text);
    }
  }
  TextQuality quality;
  quality.length = length_factor(words.size(), options);
  quality.repetition = new_trigram_share(words) * new_sentence_share(sentences);
  quality.structure = 0.5 * format_reward(response) + 0.2 * ends_as_sentence(think) + 0.15 * !has_tags(think) +
                      0.15 * mostly_words(think);
  return quality;
}

}  // namespace prosodia
