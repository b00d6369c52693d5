#include "data/builders/question_text.h"

#include <fmt/format.h>

#include <array>

#include "data/builders/reasoning_text.h"
#include "data/builders/varied_grammar.h"

namespace prosodia {
namespace {

std::string join_options(Attribute attribute, std::string_view last_joint) {
  const auto names = level_names(attribute);
  std::string options;
  for (size_t i = 0; i < names.size(); ++i) {
    options += fmt::format("{}{}", i == 0 ? "" : i + 1 < names.size() ? ", " : last_joint, names[i]);
  }
  return options;
}

// What the paper's wording calls an attribute.
std::string_view paper_name(Attribute attribute) {
  switch (attribute) {
    case Attribute::kPitch:
      return "pitch level of the speaker";
    case Attribute::kEnergy:
      return "vocal energy of the speaker";
    case Attribute::kSpeed:
      return "speaking speed";
    case Attribute::kIntonation:
      return "intonation pattern of the utterance";
    case Attribute::kVoice:
      return "voice quality of the speaker";
    case Attribute::kGender:
      return "gender of the speaker";
    case Attribute::kAge:
      return "age group of the speaker";
    case Attribute::kStress:
      return "stress of the utterance";
  }
  return attribute_name(attribute);
}

std::string answer_sentence(Attribute attribute, std::string_view level) {
  if (attribute == Attribute::kVoice && level == "whisper") return "The voice is a whisper.";
  return fmt::format("The {} is {}.", attribute_name(attribute), level);
}

QuestionAnswer ask_in_paper_words(Attribute attribute, std::string_view level, PhiloxStream& stream) {
  const std::string_view name = paper_name(attribute);
  switch (stream.next_below(6)) {
    case 0:
    case 1:
      return {choice_question(attribute, PromptStyle::kPaper), std::string(level)};
    case 2:
      return {fmt::format("Listen to the audio clip. What is the {}: {}?", name, join_options(attribute, " or ")),
              std::string(level)};
    case 3:
      return {fmt::format("How would you describe the {} in this recording?", name), std::string(level)};
    case 4:
      return {fmt::format("Describe the {} in one sentence.", name),
              fmt::format("The {} is {}.", name, level == "whisper" ? "a whisper" : level)};
    default:
      return {fmt::format("Tell me about the {} in this clip.", name),
              fmt::format("The {} is {}.", name, level == "whisper" ? "a whisper" : level)};
  }
}

std::string quoted_list(std::span<const std::string> words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    text += fmt::format("{}\"{}\"", i == 0 ? "" : i + 1 < words.size() ? ", " : " and ", words[i]);
  }
  return text;
}

std::string plain_list(std::span<const std::string> words) { return fmt::format("{}", fmt::join(words, ", ")); }

}  // namespace

std::string choice_question(Attribute attribute, PromptStyle style) {
  if (style == PromptStyle::kShort) {
    return fmt::format("Is the {} {}?", attribute_name(attribute), join_options(attribute, " or "));
  }
  return fmt::format("What is the {}? Please choose one from the following options: {}.", paper_name(attribute),
                     join_options(attribute, ", "));
}

QuestionAnswer ask_about(Attribute attribute, std::string_view level, PromptStyle style, PhiloxStream& stream) {
  if (style == PromptStyle::kPaper) return ask_in_paper_words(attribute, level, stream);
  const std::string_view name = attribute_name(attribute);
  switch (stream.next_below(4)) {
    case 0:
      return {choice_question(attribute, style), std::string(level)};
    case 1:
      return {fmt::format("What is the {} of this speech?", name), std::string(level)};
    case 2:
      return {fmt::format("Describe the {}.", name), answer_sentence(attribute, level)};
    default:
      return {fmt::format("How is the {} in this audio clip?", name), answer_sentence(attribute, level)};
  }
}

QuestionAnswer ask_for_description(const ProsodyLevels& levels, PromptStyle style, PhiloxStream& stream) {
  static constexpr std::array<std::string_view, 2> kQuestions = {"Describe the prosody.",
                                                                 "How does the speaker sound in this audio clip?"};
  const std::string_view question = kQuestions[stream.next_below(kQuestions.size())];
  if (style == PromptStyle::kShort) return {std::string(question), describe_cues(levels, stream) + "."};
  return {std::string(question), varied_description(levels, stream)};
}

QuestionAnswer ask_about_stress(std::string_view transcript, std::span<const std::string> stressed,
                                PhiloxStream& stream) {
  const bool one = stressed.size() == 1;
  const std::string_view which = one ? "Which word is stressed" : "Which words are stressed";
  switch (stream.next_below(4)) {
    case 0:
      return {one ? stress_question(transcript) : fmt::format("{} in \"{}\"?", which, transcript),
              plain_list(stressed)};
    case 1:
      return {fmt::format("{} in this audio clip?", which), plain_list(stressed)};
    case 2:
      return {fmt::format("The speaker says: \"{}\". Where is the stress?", transcript),
              fmt::format("The stress is on {}.", quoted_list(stressed))};
    default:
      return {"Describe the stress.", fmt::format("The stress is on {}.", quoted_list(stressed))};
  }
}

std::string stress_question(std::string_view transcript) {
  return fmt::format("Which word is stressed in \"{}\"?", transcript);
}

}  // namespace prosodia
