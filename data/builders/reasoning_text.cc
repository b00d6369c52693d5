#include "data/builders/reasoning_text.h"

#include <fmt/format.h>

#include <array>

#include "data/builders/cue_phrases.h"
#include "data/builders/random_choice.h"
#include "data/builders/reasoning_plan.h"

namespace prosodia {
namespace {

constexpr std::array<std::string_view, 4> kConclusions = {", which suggests ", ", which points to ", ". This suggests ",
                                                          ". This sounds like "};

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

std::string emotion_noun(std::string_view emotion) {
  if (emotion == "neutral") return "a neutral mood";
  if (emotion == "happy") return "happiness";
  if (emotion == "sad") return "sadness";
  if (emotion == "angry") return "anger";
  if (emotion == "confused") return "confusion";
  if (emotion == "whisper") return "secrecy";  // not a claim about the voice
  return std::string(emotion);                 // contempt or disgust, surprise, fear
}

namespace {

// "High pitch and slow speech fit sadness."
std::string small_explanation(const ProsodyLevels& cues, std::string_view emotion) {
  std::vector<std::string> phrases;
  for (Attribute attribute : fitting_cues(cues, emotion, 0.5)) {
    phrases.push_back(attribute == Attribute::kVoice
                          ? "a whisper"
                          : fmt::format("{} {}", cues[attribute], attribute_name(attribute)));
  }
  if (phrases.empty()) return fmt::format("This sounds like {}.", emotion_noun(emotion));
  return fmt::format("{} {} {}.", capitalized(english_list(phrases)), phrases.size() > 1 ? "fit" : "fits",
                     emotion_noun(emotion));
}

// Into the last sentence or behind it, in the words of small_reasoning.
void append_small_link(std::string_view emotion, PhiloxStream& stream, std::vector<std::string>& sentences) {
  const std::string_view link =
      sentences.empty() ? std::string_view(". This sounds like ") : pick(kConclusions, stream);
  if (link.starts_with(",")) {
    sentences.back().pop_back();
    sentences.back() += fmt::format("{}{}.", link, emotion_noun(emotion));
  } else {
    sentences.push_back(fmt::format("{}{}.", link.substr(2), emotion_noun(emotion)));
  }
}

void append_small_conclusion(const ReasoningPlan& plan, PhiloxStream& stream, std::vector<std::string>& sentences) {
  switch (plan.link) {
    case Link::kExplained:
      sentences.push_back(small_explanation(plan.cues, plan.emotion));
      return;
    case Link::kStated:
      return append_small_link(plan.emotion, stream, sentences);
    case Link::kBare:
      sentences.push_back(fmt::format("The emotion is {}.", plan.emotion));
      return;
    case Link::kAgainst:
      append_small_link(plan.argued_emotion, stream, sentences);
      sentences.push_back(fmt::format("The emotion is {}.", plan.emotion));
      return;
    case Link::kElsewhere:
      return append_small_link(plan.argued_emotion, stream, sentences);
    case Link::kNoConclusion:
      return;
  }
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

std::string small_reasoning(const ProsodyLevels& cues, std::string_view emotion, PhiloxStream& stream) {
  const std::string heard = describe_cues(cues, stream);
  const std::string_view link = heard.empty() ? std::string_view("This sounds like ") : pick(kConclusions, stream);
  return fmt::format("{}{}{}.", heard, link, emotion_noun(emotion));
}

// The same cues for a plan, which may also explain or contradict; with few more words than small_reasoning has.
std::vector<std::string> small_sentences(const ReasoningPlan& plan, PhiloxStream& stream) {
  std::vector<std::string> sentences;
  if (!plan.cues.gender.empty()) sentences.push_back(fmt::format("The speaker is {}.", plan.cues.gender));
  if (plan.cues.voice == "whisper") sentences.emplace_back("The voice is a whisper.");
  for (const std::string& sentence : {height_sentence(plan.cues, stream), movement_sentence(plan.cues, stream)}) {
    if (!sentence.empty()) sentences.push_back(sentence + ".");
  }
  std::vector<std::string> stressed;
  for (const std::string& word : nameable_stress(plan.cues)) stressed.push_back(fmt::format("\"{}\"", word));
  if (!stressed.empty()) sentences.push_back(fmt::format("The stress is on {}.", english_list(stressed)));
  for (Attribute attribute : plan.vague) sentences.push_back(fmt::format("I hear the {}.", attribute_name(attribute)));
  append_small_conclusion(plan, stream, sentences);
  return sentences;
}

}  // namespace prosodia
