#include "reward/plausibility.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "reward/rules.h"

namespace prosodia {
namespace {

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

std::optional<Emotion> emotion_from_text(std::string_view text) {
  const std::string folded = normalize_answer(text);
  if (const auto label = emotion_from_name(folded)) return label;
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
  for (size_t i = 0; i < kNumEmotions; ++i) {
    const auto emotion = static_cast<Emotion>(i);
    consider(name(emotion), emotion);
  }
  consider(kSecrecy, Emotion::kWhisper);
  for (const auto& [alias, emotion] : kAliases) {
    // "a whispered voice", "a calm tone" describe the sound; the nouns above name the emotion.
    if (emotion != Emotion::kWhisper) consider(alias, emotion);
  }
  return last;
}

}  // namespace prosodia
