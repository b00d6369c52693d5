// The turns that ask: system instructions and the question about the emotion, in the two wordings. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/corpus/dataset.h"
#include "data/corpus/prompt_style.h"

namespace prosodia {

inline constexpr std::string_view kBriefInstruction = "Answer briefly.";  // before questions about prosody

// System and user turn of a think/answer row.
std::vector<Message> emotion_prompt(PromptStyle style);

// System and user turn of a short question.
std::vector<Message> brief_prompt(std::string_view question);

// "<think>REASONING</think><answer>EMOTION</answer>"
std::string think_and_answer_text(std::string_view reasoning, std::string_view emotion);

}  // namespace prosodia
