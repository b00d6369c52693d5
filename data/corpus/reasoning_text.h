// The small English of the synthetic training sets: prosody questions with their answers, and reasoning that names
// prosody cues and concludes an emotion. Every cue is stated in the words of prosody/levels.h, so that the
// faithfulness scorer reads back exactly what was meant.
//
// Called by: build. Thread rule: pure functions of the stream given. Failure rule: none.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/philox.h"
#include "data/prosody/levels.h"

namespace prosodia {

// "The pitch is high and the energy is low. The speech is fast with a rising intonation" for the levels that are known;
// no full stop at the end. Empty when none is. A normal voice goes without saying.
std::string describe_cues(const ProsodyLevels& cues, PhiloxStream& stream);

// "<think>CUES, which suggests happiness.</think><answer>happy</answer>".
std::string think_and_answer(const ProsodyLevels& cues, std::string_view emotion, PhiloxStream& stream);

struct QuestionAnswer {
  std::string question, answer;
};
// About one acoustic attribute that is known.
QuestionAnswer ask_about(Attribute attribute, std::string_view level, PhiloxStream& stream);
// About all of them at once.
QuestionAnswer ask_for_description(const ProsodyLevels& levels, PhiloxStream& stream);

}  // namespace prosodia
