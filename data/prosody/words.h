// The words of an utterance in time, and which of them are stressed.
//
// Called by: data/corpus (storage), data annotate (stress.h), importers that know word times, builders. Value types.
#pragma once

#include <span>
#include <string>

namespace prosodia {

struct Word {
  std::string text;                          // as the transcript writes it, without white space
  float start_seconds = 0, end_seconds = 0;  // from the beginning of the clip
  bool stressed = false;
  bool is_estimated = false;  // the times are an estimate of ours, not an aligner's or a person's

  friend bool operator==(const Word&, const Word&) = default;
};

// The stressed words in order, space-separated: a ProsodyLevels::stress.
inline std::string stressed_words(std::span<const Word> words) {
  std::string text;
  for (const Word& word : words) {
    if (word.stressed) text += (text.empty() ? "" : " ") + word.text;
  }
  return text;
}

}  // namespace prosodia
