// The small grammar: reasoning that names prosody cues and concludes an emotion in some forty words, so that a model of
// a million parameters trained from scratch learns it. Every cue is stated in the words of prosody/levels.h, so that
// the faithfulness scorer reads back exactly what was meant. (The varied grammar for larger models: varied_grammar.h.)
//
// Called by: grammar_writer, question_text. Thread rule: pure functions of the stream given. Failure rule: none.
#pragma once

#include <string>
#include <string_view>

#include "data/base/philox.h"
#include "data/prosody/levels.h"

namespace prosodia {

// "The pitch is high and the energy is low. The speech is fast with a rising intonation" for the acoustic levels that
// are known; no full stop at the end. Empty when none is. A normal voice goes without saying; so do stress, gender and
// age.
std::string describe_cues(const ProsodyLevels& cues, PhiloxStream& stream);

// "CUES, which suggests happiness."
std::string small_reasoning(const ProsodyLevels& cues, std::string_view emotion, PhiloxStream& stream);

// "happiness" for "happy"; an unknown emotion is its own noun. "secrecy" for "whisper", so that it is no claim about
// the voice.
std::string emotion_noun(std::string_view emotion);

}  // namespace prosodia
