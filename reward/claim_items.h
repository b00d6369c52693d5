// A sentence's words with their meanings, for the claim parser only. Pure.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "reward/claim_lexicon.h"
#include "reward/claim_tokens.h"

namespace prosodia {

struct ClaimItem {
  const LexiconEntry* entry = nullptr;  // never null in what claim_items returns
  std::string_view word;                // the first token; points into the sentence
  size_t begin = 0, end = 0;            // bytes in the source
  bool bound = false;                   // kNoun: some level already belongs to it
  WordClass word_class() const { return entry->word_class; }
  bool is(WordClass expected) const { return entry->word_class == expected; }
};

// Looks the words up; long quotations (the transcript) and standards of comparison ("higher than normal") become plain
// words, and "from low to high" becomes one level, rising. `sentence` must outlive the items.
std::vector<ClaimItem> claim_items(const ClaimSentence& sentence);

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words);
bool is_determiner(std::string_view word);  // the, a, his, …

}  // namespace prosodia
