#include "data/prosody/cue_plausibility.h"

#include <algorithm>
#include <array>

namespace prosodia {
namespace {

constexpr int kNone = -1;  // not diagnostic

// Twice the plausibility, by level in the order of levels.h.
struct Row {
  std::array<int, 3> pitch;       // low, normal, high
  std::array<int, 3> energy;      // low, normal, high
  std::array<int, 3> speed;       // slow, normal, fast
  std::array<int, 6> intonation;  // rising, falling, rising-falling, falling-rising, flat, expressive
  std::array<int, 2> voice;       // normal, whisper
};

constexpr std::array<Row, kNumEmotions> kTable = {{
    /* neutral  */ {{0, 2, 0}, {0, 2, 0}, {0, 2, 0}, {0, 2, 1, 0, 2, 0}, {kNone, 0}},
    /* happy    */ {{0, 1, 2}, {0, 1, 2}, {0, 1, 2}, {1, 0, 2, 0, 0, 2}, {kNone, 0}},
    /* sad      */ {{2, 1, 0}, {2, 1, 0}, {2, 1, 0}, {0, 2, 0, 1, 2, 0}, {kNone, 1}},
    /* angry    */ {{1, 1, 2}, {0, 1, 2}, {0, 1, 2}, {0, 2, 1, 0, 1, 1}, {kNone, 0}},
    /* contempt */ {{2, 1, 0}, {1, 2, 1}, {2, 1, 0}, {0, 1, 2, 2, 1, 0}, {kNone, 0}},
    /* confused */ {{0, 2, 1}, {1, 2, 0}, {2, 2, 0}, {2, 0, 0, 1, 0, 0}, {kNone, 0}},
    /* whisper  */
    {{kNone, kNone, kNone}, {2, 1, 0}, {kNone, kNone, kNone}, {kNone, kNone, kNone, kNone, kNone, kNone}, {0, 2}},
    /* surprise */ {{0, 1, 2}, {0, 1, 2}, {0, 2, 2}, {2, 0, 1, 0, 0, 1}, {kNone, 0}},
    /* fear     */ {{0, 1, 2}, {2, 1, 0}, {0, 1, 2}, {1, 0, 0, 0, 2, 1}, {kNone, 1}},
}};

constexpr std::array<std::string_view, kNumEmotions> kNames = {
    "neutral", "happy", "sad", "angry", "contempt or disgust", "confused", "whisper", "surprise", "fear"};

template <size_t N>
std::optional<double> at(const std::array<int, N>& values, Attribute attribute, std::string_view level) {
  const auto names = level_names(attribute);
  for (size_t i = 0; i < std::min(N, names.size()); ++i) {
    if (names[i] == level) return values[i] == kNone ? std::nullopt : std::optional(values[i] / 2.0);
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(Emotion emotion) { return kNames[static_cast<size_t>(emotion)]; }

std::optional<Emotion> emotion_from_name(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Emotion>(i);
  }
  return std::nullopt;
}

std::optional<double> cue_plausibility(Emotion emotion, Attribute attribute, std::string_view level) {
  const Row& row = kTable[static_cast<size_t>(emotion)];
  switch (attribute) {
    case Attribute::kPitch:
      return at(row.pitch, attribute, level);
    case Attribute::kEnergy:
      return at(row.energy, attribute, level);
    case Attribute::kSpeed:
      return at(row.speed, attribute, level);
    case Attribute::kIntonation:
      return at(row.intonation, attribute, level);
    case Attribute::kVoice:
      return at(row.voice, attribute, level);
    case Attribute::kStress:
    case Attribute::kGender:
    case Attribute::kAge:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace prosodia
