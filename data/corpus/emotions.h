// The nine emotions of EmotionThinker and how the synthetic corpus speaks them: each draws every prosody attribute
// independently from its own distribution. The distributions overlap on purpose.
//
// Called by: synth, build, tests. Thread rule: constants and pure functions.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace prosodia {

struct EmotionProfile {
  std::string_view name;
  // Probabilities, each row sums to 1, in the order of level_names().
  std::array<double, 3> pitch, energy, speed;
  std::array<double, 6> intonation;
  double whisper;  // probability of a whispered voice, which hides pitch and intonation
};

inline constexpr size_t kEmotionCount = 9;

// neutral, happy, sad, angry, contempt or disgust, confused, whisper, surprise, fear: the order of the released prompt.
std::span<const EmotionProfile, kEmotionCount> emotion_profiles();
std::optional<size_t> emotion_index(std::string_view name);

// Accuracy, for equally frequent emotions, of a listener that hears every controlled level and knows the table: the
// most any model can reach on this corpus.
double bayes_accuracy();

}  // namespace prosodia
