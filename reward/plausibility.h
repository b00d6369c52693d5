// Emotions as texts name them: labels, their usual names in other corpora, and the last one a reasoning names. (How
// well a cue fits an emotion: data/prosody/cue_plausibility.h.) Pure; thread-safe.
#pragma once

#include <optional>
#include <string_view>

#include "data/prosody/cue_plausibility.h"

namespace prosodia {

// A label or one of its usual names in other corpora ("anger", "happiness", "disgusted", "calm"); compared as answers
// are (rules.h). Nothing for a word that is no emotion we know.
std::optional<Emotion> emotion_from_text(std::string_view text);

// The emotion that a text names last, as a whole word; nothing when it names none.
std::optional<Emotion> last_emotion_named(std::string_view text);

}  // namespace prosodia
