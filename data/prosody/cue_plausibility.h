// The nine emotions and how well a prosodic cue fits each: the table behind "interpretative quality" of AcousticScorer,
// and what `data build` argues with.
//
// 1 = typical, 0.5 = compatible, 0 = speaks against it, no value = the cue says nothing about that emotion.
// Sources: the directions found again and again for vocal expression (Juslin & Laukka 2003, Psychological Bulletin 129,
// table 7; Scherer 2003, Speech Communication 40) for happiness, sadness, anger, fear, disgust; for the remaining
// classes of EmotionThinker (confused, whisper, surprise, contempt) the prosody that the synthetic corpus gives them.
// It judges whether a stated cue supports the stated conclusion, never whether the cue or the conclusion is true.
// Pure; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "data/prosody/levels.h"

namespace prosodia {

enum class Emotion : uint8_t {
  kNeutral,
  kHappy,
  kSad,
  kAngry,
  kContemptOrDisgust,
  kConfused,
  kWhisper,
  kSurprise,
  kFear
};
inline constexpr size_t kNumEmotions = 9;

std::string_view name(Emotion emotion);                           // the label of the paper: "contempt or disgust"
std::optional<Emotion> emotion_from_name(std::string_view name);  // exactly so

// Value in {0, 0.5, 1}; nothing when the attribute or level does not bear on the emotion.
std::optional<double> cue_plausibility(Emotion emotion, Attribute attribute, std::string_view level);

}  // namespace prosodia
