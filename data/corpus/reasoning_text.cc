#include "data/corpus/reasoning_text.h"

#include <fmt/format.h>

#include <array>

namespace prosodia {
namespace {

template <size_t N>
std::string_view pick(const std::array<std::string_view, N>& choices, PhiloxStream& stream) {
  return choices[stream.next_below(N)];
}

// "a high", "an expressive".
std::string with_article(std::string_view word) {
  return fmt::format("{} {}", std::string_view("aeiou").find(word.front()) != std::string_view::npos ? "an" : "a",
                     word);
}

std::string emotion_noun(std::string_view emotion) {
  if (emotion == "neutral") return "a neutral mood";
  if (emotion == "happy") return "happiness";
  if (emotion == "sad") return "sadness";
  if (emotion == "angry") return "anger";
  if (emotion == "confused") return "confusion";
  if (emotion == "whisper") return "secrecy";  // not a claim about the voice
  return std::string(emotion);                 // contempt or disgust, surprise, fear
}

// Pitch and energy, in one sentence without its full stop.
std::string height_sentence(const ProsodyLevels& cues, PhiloxStream& stream) {
  const bool heard = stream.next_below(3) == 0;
  if (!cues.pitch.empty() && !cues.energy.empty()) {
    return heard ? fmt::format("I hear {} pitch and {} energy", with_article(cues.pitch), cues.energy)
                 : fmt::format("The pitch is {} and the energy is {}", cues.pitch, cues.energy);
  }
  if (!cues.pitch.empty()) {
    return heard ? fmt::format("I hear {} pitch", with_article(cues.pitch))
                 : fmt::format("The pitch is {}", cues.pitch);
  }
  if (!cues.energy.empty()) {
    return heard ? fmt::format("I hear {} energy", cues.energy) : fmt::format("The energy is {}", cues.energy);
  }
  return "";
}

// Speed and intonation.
std::string movement_sentence(const ProsodyLevels& cues, PhiloxStream& stream) {
  const bool joined = stream.next_below(3) != 0;
  if (!cues.speed.empty() && !cues.intonation.empty()) {
    return joined ? fmt::format("The speech is {} with {} intonation", cues.speed, with_article(cues.intonation))
                  : fmt::format("The speed is {} and the intonation is {}", cues.speed, cues.intonation);
  }
  if (!cues.speed.empty()) return fmt::format("The {} is {}", joined ? "speech" : "speed", cues.speed);
  if (!cues.intonation.empty()) return fmt::format("The intonation is {}", cues.intonation);
  return "";
}

}  // namespace

std::string describe_cues(const ProsodyLevels& cues, PhiloxStream& stream) {
  std::string text = cues.voice == "whisper" ? "The voice is a whisper" : "";
  for (const std::string& sentence : {height_sentence(cues, stream), movement_sentence(cues, stream)}) {
    if (!text.empty() && !sentence.empty()) text += ". ";
    text += sentence;
  }
  return text;
}

std::string think_and_answer(const ProsodyLevels& cues, std::string_view emotion, PhiloxStream& stream) {
  static constexpr std::array<std::string_view, 4> kConclusions = {", which suggests ", ", which points to ",
                                                                   ". This suggests ", ". This sounds like "};
  const std::string heard = describe_cues(cues, stream);
  const std::string_view link = heard.empty() ? std::string_view("This sounds like ") : pick(kConclusions, stream);
  return fmt::format("<think>{}{}{}.</think><answer>{}</answer>", heard, link, emotion_noun(emotion), emotion);
}

QuestionAnswer ask_about(Attribute attribute, std::string_view level, PhiloxStream& stream) {
  const std::string_view name = attribute_name(attribute);
  const auto names = level_names(attribute);
  std::string options;
  for (size_t i = 0; i < names.size(); ++i) {
    options += fmt::format("{}{}", i == 0 ? "" : i + 1 < names.size() ? ", " : " or ", names[i]);
  }
  const std::string sentence = attribute == Attribute::kVoice && level == "whisper"
                                   ? "The voice is a whisper."
                                   : fmt::format("The {} is {}.", name, level);
  switch (stream.next_below(4)) {
    case 0:
      return {fmt::format("Is the {} {}?", name, options), std::string(level)};
    case 1:
      return {fmt::format("What is the {} of this speech?", name), std::string(level)};
    case 2:
      return {fmt::format("Describe the {}.", name), sentence};
    default:
      return {fmt::format("How is the {} in this audio clip?", name), sentence};
  }
}

QuestionAnswer ask_for_description(const ProsodyLevels& levels, PhiloxStream& stream) {
  static constexpr std::array<std::string_view, 2> kQuestions = {"Describe the prosody.",
                                                                 "How does the speaker sound in this audio clip?"};
  const std::string_view question = pick(kQuestions, stream);
  return {std::string(question), describe_cues(levels, stream) + "."};
}

}  // namespace prosodia
