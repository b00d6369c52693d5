// The wording of prompts: --prompt_style.
#pragma once

#include <string_view>

namespace prosodia {

enum class PromptStyle {
  kShort,  // a few words: for small models trained from scratch
  kPaper,  // the released EmotionThinker prompt
};

constexpr std::string_view name(PromptStyle style) { return style == PromptStyle::kShort ? "short" : "paper"; }

}  // namespace prosodia
