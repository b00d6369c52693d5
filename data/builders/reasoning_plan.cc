#include "data/builders/reasoning_plan.h"

#include <algorithm>

#include "data/builders/transcript_words.h"
#include "data/prosody/cue_plausibility.h"

namespace prosodia {

std::string english_list(const std::vector<std::string>& items) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) text += (i == 0 ? "" : i + 1 < items.size() ? ", " : " and ") + items[i];
  return text;
}

std::string capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::vector<std::string> nameable_stress(const ProsodyLevels& cues) {
  std::vector<std::string> words = distinct_words(cues.stress);
  std::erase_if(words, [](const std::string& word) {
    return std::any_of(kAttributes.begin(), kAttributes.end(), [&](Attribute attribute) {
      const auto names = level_words(attribute);
      return std::any_of(names.begin(), names.end(),
                         [&](const LevelWord& each) { return each.word == word_key(word); });
    });
  });
  return words;
}

std::vector<Attribute> named_attributes(const ProsodyLevels& cues) {
  std::vector<Attribute> named;
  for (Attribute attribute : kAcousticAttributes) {
    const bool goes_unsaid = attribute == Attribute::kVoice && cues.voice != "whisper";
    if (!cues[attribute].empty() && !goes_unsaid) named.push_back(attribute);
  }
  return named;
}

std::vector<Attribute> fitting_cues(const ProsodyLevels& cues, std::string_view emotion, double least) {
  std::vector<Attribute> fitting = named_attributes(cues);
  const auto known = emotion_from_name(emotion);
  if (!known) return fitting;
  std::erase_if(fitting, [&](Attribute attribute) {
    return cue_plausibility(*known, attribute, cues[attribute]).value_or(-1) < least;
  });
  return fitting;
}

}  // namespace prosodia
