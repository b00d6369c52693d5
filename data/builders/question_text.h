// Short questions about prosody with their answers. The levels are named as in prosody/levels.h.
//
// Called by: the prosody, stress and comparative sets. Thread rule: pure functions of the stream given.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/philox.h"
#include "data/corpus/prompt_style.h"
#include "data/prosody/levels.h"

namespace prosodia {

struct QuestionAnswer {
  std::string question, answer;
};

// About one attribute whose level is known: with the levels to choose from, or open.
QuestionAnswer ask_about(Attribute attribute, std::string_view level, PromptStyle style, PhiloxStream& stream);
// About all of them at once.
QuestionAnswer ask_for_description(const ProsodyLevels& levels, PromptStyle style, PhiloxStream& stream);

// The question of an evaluation row: the one form of ask_about that lists the levels, always the same. Its answer is
// the level alone.
std::string choice_question(Attribute attribute, PromptStyle style);

// Which words are stressed; `transcript` may be shown in the question. The answer lists the words.
QuestionAnswer ask_about_stress(std::string_view transcript, std::span<const std::string> stressed,
                                PhiloxStream& stream);
std::string stress_question(std::string_view transcript);  // of an evaluation row; one word is asked for

}  // namespace prosodia
