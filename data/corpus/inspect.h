// `data inspect`: what is in a corpus, for people: counts per split, emotion and speaker, prosody levels, agreement
// between controlled and measured levels, and whether a speaker, sentence or clip of one split occurs in another.
// Thread rule: pure. Failure rule: as corpus.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/corpus.h"

namespace prosodia {

struct Agreement {
  int both = 0;          // utterances with a controlled and a measured level
  int equal = 0;         // of these, the same
  int undetermined = 0;  // controlled, and audible by its nature, but not measured
  double rate() const { return both > 0 ? static_cast<double>(equal) / both : 0.0; }
};

// `split`: "" for all.
std::map<Attribute, Agreement> level_agreement(const CorpusReader& corpus, std::string_view split);

struct Leakage {
  std::vector<std::string> speakers, sentences;  // that occur in more than one split
  std::vector<std::string> clips;                // "a (train) = b (test)": the same audio in two splits
};
Leakage split_leakage(const CorpusReader& corpus);

std::string inspect_text(const CorpusReader& corpus);

}  // namespace prosodia
