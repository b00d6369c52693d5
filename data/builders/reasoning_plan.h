// What a piece of reasoning says, before its wording: the cues it states and how it gets from them to an emotion. Both
// grammars put the same plan into words, sentence by sentence.
//
// Called by: the cold start, the reward-model sets. Value types and pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/base/philox.h"
#include "data/builders/reasoning_writer.h"
#include "data/prosody/levels.h"

namespace prosodia {

// How the conclusion hangs on the cues.
enum class Link {
  kExplained,  // the cues are named again as what fits the emotion, as far as they do
  kStated,     // "this suggests happiness"
  kBare,       // the emotion is named, without any link
  kAgainst,    // the cues are said to fit `argued_emotion`, then `emotion` is named all the same
  kElsewhere,  // the cues are said to fit `argued_emotion`, and there it ends
  kNoConclusion,
};

struct ReasoningPlan {
  ProsodyLevels cues;            // stated; a normal voice goes without saying
  std::vector<Attribute> vague;  // mentioned without saying how they are; not among the cues
  std::string emotion;           // concluded
  std::string argued_emotion;    // kAgainst, kElsewhere
  Link link = Link::kStated;
};

// Whole sentences, in order. The claims that the faithfulness parser reads in them are the cues, all and nothing else.
std::vector<std::string> small_sentences(const ReasoningPlan& plan, PhiloxStream& stream);
std::vector<std::string> varied_sentences(const ReasoningPlan& plan, PhiloxStream& stream);

inline std::vector<std::string> plan_sentences(const ReasoningPlan& plan, Grammar grammar, PhiloxStream& stream) {
  return grammar == Grammar::kSmall ? small_sentences(plan, stream) : varied_sentences(plan, stream);
}

// "a", "a and b", "a, b and c".
std::string english_list(const std::vector<std::string>& items);
std::string capitalized(std::string text);

// The acoustic cues that a text names: those with a level, but no normal voice.
std::vector<Attribute> named_attributes(const ProsodyLevels& cues);
// Of these, the ones whose plausibility for the emotion is at least `least`; all for an emotion that is not in the
// table.
std::vector<Attribute> fitting_cues(const ProsodyLevels& cues, std::string_view emotion, double least);

// Stressed words that a text can name: without those that are themselves words for levels ("the low shelf").
std::vector<std::string> nameable_stress(const ProsodyLevels& cues);

}  // namespace prosodia
