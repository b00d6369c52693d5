// When each word of a transcript was spoken, estimated without an aligner.
//
// Called by: data annotate, where neither the corpus nor a sidecar knows the times. Thread rule: pure function.
// Failure rule: no words, no speech or no syllable rule for the language give no words.
//
// Method: the words share the speech time (pauses taken out) by their syllables and letters; then every border between
// two words moves to the deepest dip of the level within reach, because syllables are louder than what joins them. Good
// enough to say which word a peak of pitch belongs to in short utterances; not an alignment. Every word is_estimated.
#pragma once

#include <string_view>
#include <vector>

#include "data/prosody/speech_frames.h"
#include "data/prosody/words.h"

namespace prosodia {

// The words as written, without the punctuation around them; pieces without a letter or digit are no words.
std::vector<std::string> split_words(std::string_view transcript);

std::vector<Word> estimate_word_times(std::string_view transcript, std::string_view language,
                                      const SpeechFrames& frames);

}  // namespace prosodia
