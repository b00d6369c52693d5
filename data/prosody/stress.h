// Which words of an utterance are stressed, from the signal.
//
// Called by: data annotate. Thread rule: pure functions. Failure rule: fewer than three words, or words without frames
// of speech, give no prominences and no stress.
//
// A word's prominence is the mean of three scores, each a difference from the utterance's other words over the spread
// such differences have in speech: how far its highest F0 stands above the falling line through all F0 (semitones), how
// loud its loudest syllable is (dB) and, where times are not estimated, how long its syllables are (log ratio). These
// are the correlates of accent in English and German (Fry 1958; Terken 1991; Kochanski et al. 2005).
#pragma once

#include <string_view>
#include <vector>

#include "data/prosody/measure.h"
#include "data/prosody/words.h"

namespace prosodia {

struct StressOptions {
  float min_prominence = 1.0f;  // spreads above the other words; range >= 0
};

// One a word; empty when undetermined. 0: like the other words; 1: one spread above them.
std::vector<float> word_prominences(const std::vector<Word>& words, std::string_view language,
                                    const ProsodyTracks& tracks);

// Sets `stressed` of every word; false everywhere when undetermined.
void mark_stress(std::vector<Word>& words, std::string_view language, const ProsodyTracks& tracks,
                 const StressOptions& options = {});

}  // namespace prosodia
