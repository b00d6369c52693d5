#include "data/builders/prompts.h"

#include <fmt/format.h>

#include "data/corpus/emotions.h"

namespace prosodia {
namespace {

std::string_view system_prompt(PromptStyle style) {
  return style == PromptStyle::kShort
             ? "Reason in <think></think>, then answer in <answer></answer>."
             : "You are an expert in speech emotion understanding. Reason step by step about the speaker, the prosody "
               "and the "
               "words inside <think> </think>, then give the emotion inside <answer> </answer>.";
}

std::string emotion_question(PromptStyle style) {
  std::string text = "<audio>What is the emotion expressed in this audio clip?";
  if (style == PromptStyle::kShort) return text;
  text += " Please choose one from the following options: ";
  for (size_t i = 0; i < kEmotionCount; ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", emotion_profiles()[i].name);
  return text + ".";
}

}  // namespace

std::vector<Message> emotion_prompt(PromptStyle style) {
  return {{"system", std::string(system_prompt(style))}, {"user", emotion_question(style)}};
}

std::vector<Message> brief_prompt(std::string_view question) {
  return {{"system", std::string(kBriefInstruction)}, {"user", fmt::format("<audio>{}", question)}};
}

std::string think_and_answer_text(std::string_view reasoning, std::string_view emotion) {
  return fmt::format("<think>{}</think><answer>{}</answer>", reasoning, emotion);
}

}  // namespace prosodia
