#include "reward/plausibility.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "reward/rules.h"

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

using Alias = std::pair<std::string_view, Emotion>;
// What reasoning texts of the synthetic corpus call a whisper's intent; never an answer.
constexpr std::string_view kSecrecy = "secrecy";

constexpr Alias kAliases[] = {
    {"calm", Emotion::kNeutral},
    {"neutrality", Emotion::kNeutral},
    {"happiness", Emotion::kHappy},
    {"joy", Emotion::kHappy},
    {"joyful", Emotion::kHappy},
    {"excited", Emotion::kHappy},
    {"excitement", Emotion::kHappy},
    {"sadness", Emotion::kSad},
    {"anger", Emotion::kAngry},
    {"contempt", Emotion::kContemptOrDisgust},
    {"disgust", Emotion::kContemptOrDisgust},
    {"disgusted", Emotion::kContemptOrDisgust},
    {"contemptuous", Emotion::kContemptOrDisgust},
    {"confusion", Emotion::kConfused},
    {"whispered", Emotion::kWhisper},
    {"whispering", Emotion::kWhisper},
    {"surprised", Emotion::kSurprise},
    {"fearful", Emotion::kFear},
    {"afraid", Emotion::kFear},
    {"scared", Emotion::kFear},
};

template <size_t N>
std::optional<double> at(const std::array<int, N>& values, Attribute attribute, std::string_view level) {
  const auto names = level_names(attribute);
  for (size_t i = 0; i < std::min(N, names.size()); ++i) {
    if (names[i] == level) return values[i] == kNone ? std::nullopt : std::optional(values[i] / 2.0);
  }
  return std::nullopt;
}

bool is_word_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// Position of the last whole-word occurrence, npos without one.
size_t rfind_word(std::string_view text, std::string_view word) {
  for (size_t at = text.rfind(word); at != text.npos; at = at ? text.rfind(word, at - 1) : text.npos) {
    const size_t end = at + word.size();
    if ((at == 0 || !is_word_byte(text[at - 1])) && (end == text.size() || !is_word_byte(text[end]))) return at;
  }
  return text.npos;
}

}  // namespace

std::string_view name(Emotion emotion) { return kNames[static_cast<size_t>(emotion)]; }

std::optional<Emotion> emotion_from_text(std::string_view text) {
  const std::string folded = normalize_answer(text);
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (folded == kNames[i]) return static_cast<Emotion>(i);
  }
  for (const auto& [alias, emotion] : kAliases) {
    if (folded == alias) return emotion;
  }
  return std::nullopt;
}

std::optional<Emotion> last_emotion_named(std::string_view text) {
  const std::string folded = normalize_answer(text);
  std::optional<Emotion> last;
  size_t last_end = 0;
  const auto consider = [&](std::string_view word, Emotion emotion) {
    const size_t at = rfind_word(folded, word);
    if (at == folded.npos || (last && at + word.size() <= last_end)) return;
    last = emotion;
    last_end = at + word.size();
  };
  for (size_t i = 0; i < kNames.size(); ++i) consider(kNames[i], static_cast<Emotion>(i));
  consider(kSecrecy, Emotion::kWhisper);
  for (const auto& [alias, emotion] : kAliases) {
    // "a whispered voice", "a calm tone" describe the sound; the nouns above name the emotion.
    if (emotion != Emotion::kWhisper) consider(alias, emotion);
  }
  return last;
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
