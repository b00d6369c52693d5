#include "reward/claim_items.h"

#include <algorithm>

namespace prosodia {
namespace {

constexpr size_t kTranscriptQuoteWords = 3;  // a quotation this long repeats the transcript; its words claim nothing

const LexiconEntry kPlainEntry{};
const LexiconEntry kCommaEntry{.word_class = WordClass::kComma};

std::vector<ClaimItem> look_up(const ClaimSentence& sentence) {
  std::vector<ClaimItem> items;
  std::vector<std::string_view> words;
  for (const ClaimToken& token : sentence) words.push_back(token.text);
  const ClaimLexicon& lexicon = ClaimLexicon::instance();
  for (size_t at = 0; at < words.size();) {
    ClaimItem item{.entry = &kPlainEntry, .word = words[at], .begin = sentence[at].begin, .end = sentence[at].end};
    size_t used = 1;
    if (words[at] == ",") {
      item.entry = &kCommaEntry;
    } else if (sentence[at].quote_words < kTranscriptQuoteWords) {
      if (const LexiconEntry* entry = lexicon.match(words, at)) {
        item.entry = entry;
        used = entry->words.size();
        item.end = sentence[at + used - 1].end;
      }
    }
    items.push_back(item);
    at += used;
  }
  return items;
}

// "higher than normal": normal is what is compared with, not what is claimed.
void drop_standards_of_comparison(std::vector<ClaimItem>& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].word != "than") continue;
    for (size_t j = i + 1; j < std::min(i + 4, items.size()); ++j) {
      if (items[j].is(WordClass::kLevel)) items[j].entry = &kPlainEntry;
    }
  }
}

// "from low to high" is a movement: one level, rising.
void join_movements(std::vector<ClaimItem>& items) {
  for (size_t i = 0; i + 3 < items.size(); ++i) {
    if (items[i].word != "from" || !items[i + 1].is(WordClass::kLevel)) continue;
    const size_t to = items[i + 2].is(WordClass::kAnd) ? i + 2 : i + 3;
    if (!is_one_of(items[to].word, {"to", "into"}) || to + 1 >= items.size()) continue;
    ClaimItem& last = items[to + 1];
    if (!last.is(WordClass::kLevel)) continue;
    const auto rank = [](const ClaimItem& item) {
      const std::string_view level = item.entry->senses[static_cast<size_t>(Attribute::kPitch)];
      return level == "low" ? 0 : level == "normal" ? 1 : level == "high" ? 2 : -1;
    };
    const int from = rank(items[i + 1]), end = rank(last);
    items[i + 1].entry = items[to].entry = &kPlainEntry;
    static const std::string_view kRising[] = {"rising"}, kFalling[] = {"falling"};
    const bool moves = from >= 0 && end >= 0 && from != end;
    last.entry = moves ? ClaimLexicon::instance().match(end > from ? kRising : kFalling, 0) : &kPlainEntry;
  }
}

}  // namespace

std::vector<ClaimItem> claim_items(const ClaimSentence& sentence) {
  std::vector<ClaimItem> items = look_up(sentence);
  drop_standards_of_comparison(items);
  join_movements(items);
  return items;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_determiner(std::string_view word) {
  return is_one_of(word, {"the", "a", "an", "his", "her", "their", "its", "this", "that"});
}

}  // namespace prosodia
