#include "data/builders/varied_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/builders/cue_phrases.h"
#include "data/builders/random_choice.h"
#include "data/builders/reasoning_text.h"
#include "data/prosody/cue_plausibility.h"

namespace prosodia {
namespace {

std::string noun_phrase(const ProsodyLevels& cues, Attribute attribute, PhiloxStream& stream) {
  return cue_noun_phrase(attribute, cues[attribute], stream);
}
// "a high pitch", "high energy": loudness is not counted.
std::string indefinite(const ProsodyLevels& cues, Attribute attribute, PhiloxStream& stream) {
  const std::string phrase = noun_phrase(cues, attribute, stream);
  return attribute == Attribute::kEnergy ? phrase : with_article(phrase);
}
std::string clause(const ProsodyLevels& cues, Attribute attribute, PhiloxStream& stream) {
  return cue_clause(attribute, cues[attribute], stream);
}

std::string one_cue(const ProsodyLevels& cues, Attribute a, PhiloxStream& stream) {
  static constexpr std::array<std::string_view, 4> kFrames = {"I hear {}.", "There is {}.", "The recording has {}.",
                                                              "One notices {}."};
  if (stream.next_below(2) == 0) return capitalized(clause(cues, a, stream)) + ".";
  return fmt::format(fmt::runtime(pick(kFrames, stream)), indefinite(cues, a, stream));
}

std::string two_cues(const ProsodyLevels& cues, Attribute a, Attribute b, PhiloxStream& stream) {
  static constexpr std::array<std::string_view, 4> kClauseFrames = {"{}, and {}.", "{} while {}.", "{}, whereas {}.",
                                                                    "{} and {}."};
  static constexpr std::array<std::string_view, 4> kNounFrames = {"I hear {} and {}.", "There is {} together with {}.",
                                                                  "The speaker combines {} with {}.",
                                                                  "One notices {} and {}."};
  if (stream.next_below(2) == 0) {
    const std::string first = clause(cues, a, stream), second = clause(cues, b, stream);
    return fmt::format(fmt::runtime(pick(kClauseFrames, stream)), capitalized(first), second);
  }
  const std::string first = indefinite(cues, a, stream);
  const std::string second = indefinite(cues, b, stream);
  return fmt::format(fmt::runtime(pick(kNounFrames, stream)), first, second);
}

std::string three_cues(const ProsodyLevels& cues, std::span<const Attribute> three, PhiloxStream& stream) {
  static constexpr std::array<std::string_view, 3> kFrames = {"I hear {}.", "The recording has {}.", "There is {}."};
  std::vector<std::string> phrases;
  for (Attribute attribute : three) phrases.push_back(indefinite(cues, attribute, stream));
  return fmt::format(fmt::runtime(pick(kFrames, stream)), english_list(phrases));
}

// All cues in a random order, one to three a sentence, sometimes told step by step.
std::vector<std::string> cue_sentences(const ProsodyLevels& cues, PhiloxStream& stream) {
  std::vector<Attribute> order = named_attributes(cues);
  shuffle(order, stream);
  std::vector<std::string> sentences;
  for (size_t at = 0; at < order.size();) {
    const size_t count = std::min<size_t>(1 + stream.next_below(3), order.size() - at);
    const std::span<const Attribute> group(order.data() + at, count);
    sentences.push_back(count == 1   ? one_cue(cues, group[0], stream)
                        : count == 2 ? two_cues(cues, group[0], group[1], stream)
                                     : three_cues(cues, group, stream));
    at += count;
  }
  if (sentences.size() > 1 && stream.next_below(4) == 0) {
    static constexpr std::array<std::string_view, 3> kNext = {"In addition, ", "Moreover, ", "Besides, "};
    std::string& last = sentences.back();
    if (!last.starts_with("I ")) last[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(last[0])));
    last = std::string(pick(kNext, stream)) + last;
  }
  return sentences;
}

// Who speaks, as far as it is to be said.
std::string speaker_sentence(const ProsodyLevels& cues, PhiloxStream& stream) {
  if (cues.gender.empty() && cues.age.empty()) return "";
  const bool noun = stream.next_below(2) == 0;
  const std::string who = cues.gender.empty() ? "" : noun ? cues.gender == "female" ? "woman" : "man" : cues.gender;
  if (cues.age.empty()) {
    return noun ? fmt::format("The speaker is a {}.", who) : fmt::format("This is a {} speaker.", who);
  }
  if (cues.gender.empty()) {
    return cues.age == "middle-aged" || cues.age == "elderly" ? fmt::format("The speaker is {}.", cues.age)
                                                              : fmt::format("The speaker is a {}.", cues.age);
  }
  return fmt::format("The speaker is {}, {}.", cues.gender,
                     cues.age == "middle-aged" || cues.age == "elderly" ? cues.age : with_article(cues.age));
}

std::string stress_sentence(const ProsodyLevels& cues, PhiloxStream& stream) {
  std::vector<std::string> words;
  for (const std::string& word : nameable_stress(cues)) words.push_back(fmt::format("\"{}\"", word));
  if (words.empty()) return "";
  static constexpr std::array<std::string_view, 3> kFrames = {"The stress is on {}.", "The emphasis falls on {}.",
                                                              "The speaker puts stress on {}."};
  return fmt::format(fmt::runtime(pick(kFrames, stream)), english_list(words));
}

std::string vague_sentence(Attribute attribute, PhiloxStream& stream) {
  static constexpr std::array<std::string_view, 3> kFrames = {"The {} also plays a part.", "The {} is worth a mention.",
                                                              "Something could be said about the {} as well."};
  return fmt::format(fmt::runtime(pick(kFrames, stream)), attribute_name(attribute));
}

// Why people sound like that; no word in them is a claim about prosody.
std::string_view gloss(std::string_view emotion) {
  static constexpr std::array<std::string_view, kNumEmotions> kGlosses = {
      "nothing stands out that would point elsewhere",
      "joy makes people speak with more life",
      "sadness takes the drive out of a person",
      "anger pushes outward and wants to be heard",
      "contempt keeps the other person at a distance",
      "someone who is confused is still looking for the answer",
      "the words are meant for one listener only",
      "something unexpected has just happened",
      "fear puts the body on alert"};
  const auto known = emotion_from_name(emotion);
  return known ? kGlosses[static_cast<size_t>(*known)] : std::string_view("that is how people sound in this state");
}

// The explanation. Names the typical cues, or else the compatible ones; without any it only says where it leads.
std::string explained(const ProsodyLevels& cues, std::string_view emotion, PhiloxStream& stream) {
  std::vector<Attribute> fit = fitting_cues(cues, emotion, 1);
  if (fit.empty()) fit = fitting_cues(cues, emotion, 0.5);
  shuffle(fit, stream);
  if (fit.size() > 3) fit.resize(3);
  const std::string noun = emotion_noun(emotion);
  if (fit.empty()) return fmt::format("All in all this comes closest to {}.", noun);
  enum Form : uint32_t { kTypicalOf, kComesWith, kPointTo, kSuch, kForms };
  const uint32_t form = stream.next_below(kForms);
  std::vector<std::string> phrases;
  for (Attribute attribute : fit) {
    phrases.push_back(form == kComesWith ? indefinite(cues, attribute, stream)
                      : form == kSuch    ? "such " + indefinite(cues, attribute, stream)
                                         : "the " + noun_phrase(cues, attribute, stream));
  }
  const bool many = phrases.size() > 1;
  const std::string list = english_list(phrases);
  switch (form) {
    case kTypicalOf:
      return fmt::format("{} {} typical of {}, because {}.", capitalized(list), many ? "are" : "is", noun,
                         gloss(emotion));
    case kComesWith:
      return fmt::format("{} often comes with {}, since {}.", capitalized(noun), list, gloss(emotion));
    case kPointTo:
      return fmt::format("{} {} to {}: {}.", capitalized(list), many ? "point" : "points", noun, gloss(emotion));
    default:
      return fmt::format("{} {} {}, because {}.", capitalized(list), many ? "fit" : "fits", noun, gloss(emotion));
  }
}

std::string stated(std::string_view emotion, PhiloxStream& stream) {
  static constexpr std::array<std::string_view, 5> kFrames = {
      "This suggests {}.", "Taken together, this points to {}.", "This sounds like {}.",
      "Overall, the speaker conveys {}.", "All of this indicates {}."};
  return fmt::format(fmt::runtime(pick(kFrames, stream)), emotion_noun(emotion));
}

void append_conclusion(const ReasoningPlan& plan, PhiloxStream& stream, std::vector<std::string>& sentences) {
  switch (plan.link) {
    case Link::kExplained:
      sentences.push_back(explained(plan.cues, plan.emotion, stream));
      if (stream.next_below(2) == 0) sentences.push_back(stated(plan.emotion, stream));
      return;
    case Link::kStated:
      sentences.push_back(stated(plan.emotion, stream));
      return;
    case Link::kBare:
      sentences.push_back(fmt::format("The emotion is {}.", plan.emotion));
      return;
    case Link::kAgainst:
      sentences.push_back(stated(plan.argued_emotion, stream));
      sentences.push_back(fmt::format("Still, the emotion is {}.", plan.emotion));
      return;
    case Link::kElsewhere:
      sentences.push_back(stated(plan.argued_emotion, stream));
      return;
    case Link::kNoConclusion:
      return;
  }
}

}  // namespace

std::vector<std::string> varied_sentences(const ReasoningPlan& plan, PhiloxStream& stream) {
  std::vector<std::string> sentences;
  const std::string speaker = speaker_sentence(plan.cues, stream), stress = stress_sentence(plan.cues, stream);
  if (!speaker.empty()) sentences.push_back(speaker);
  std::vector<std::string> heard = cue_sentences(plan.cues, stream);
  for (Attribute attribute : plan.vague) heard.push_back(vague_sentence(attribute, stream));
  if (!stress.empty()) {
    heard.insert(heard.begin() + stream.next_below(static_cast<uint32_t>(heard.size() + 1)), stress);
  }
  // Now and then the impression comes first and the evidence after it.
  const bool impression_first = plan.link == Link::kExplained && stream.next_below(4) == 0;
  if (impression_first) {
    sentences.push_back(fmt::format("My first impression is {}.", emotion_noun(plan.emotion)));
  }
  for (std::string& sentence : heard) sentences.push_back(std::move(sentence));
  append_conclusion(plan, stream, sentences);
  return sentences;
}

std::string varied_reasoning(const ProsodyLevels& cues, std::string_view emotion, PhiloxStream& stream) {
  const Link link = stream.next_below(4) != 0 ? Link::kExplained : Link::kStated;
  return fmt::format(
      "{}", fmt::join(varied_sentences({.cues = cues, .emotion = std::string(emotion), .link = link}, stream), " "));
}

std::string varied_description(const ProsodyLevels& cues, PhiloxStream& stream) {
  return fmt::format("{}", fmt::join(varied_sentences({.cues = cues, .link = Link::kNoConclusion}, stream), " "));
}

}  // namespace prosodia
