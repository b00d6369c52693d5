// Which words of an utterance are stressed, from the signal.
//
// Called by: data annotate. Thread rule: pure functions. Failure rule: fewer than three words, or words without frames
// of speech, give no prominences and no stress.
//
// A word's prominence adds up, as independent scores do, how far its highest F0 stands above the falling line through
// all F0 (semitones), how loud its loudest syllable is (dB) and, with half the weight and only where times are not
// estimated, how long it is for its letters (log ratio): each as a difference from the utterance's median word, in the
// standard deviation that such differences have among unstressed words. These are the correlates of accent in English
// and German (Fry 1958; Terken 1991; Kochanski et al. 2005).
#pragma once

#include <vector>

#include "data/prosody/measure.h"
#include "data/prosody/words.h"

namespace prosodia {

struct StressOptions {
  // Standard deviations above the other words; range >= 0. Neutral sentences have accents, too: at 1.25 about every
  // third one gets a mark.
  float min_prominence = 1.25f;
};

// One a word; empty when undetermined. 0: like the other words; unstressed ones deviate by 1.
std::vector<float> word_prominences(const std::vector<Word>& words, const ProsodyTracks& tracks);

// Sets `stressed` of every word. False when undetermined: then no word is stressed.
bool mark_stress(std::vector<Word>& words, const ProsodyTracks& tracks, const StressOptions& options = {});

}  // namespace prosodia
