#include "data/builders/cue_phrases.h"

#include <fmt/format.h>

#include <span>

#include "data/base/check.h"
#include "data/builders/random_choice.h"

namespace prosodia {
namespace {

using Words = std::span<const std::string_view>;

struct LevelAdjectives {
  std::string_view level;
  Words adjectives;
};

constexpr std::string_view kLowPitch[] = {"low", "lowered", "deep"}, kHighPitch[] = {"high", "elevated", "raised"};
constexpr std::string_view kNormal[] = {"normal", "moderate", "average", "medium"};
constexpr std::string_view kLowEnergy[] = {"low", "reduced", "weak"}, kHighEnergy[] = {"high", "strong", "increased"};
constexpr std::string_view kSlow[] = {"slow", "unhurried", "sluggish"}, kFast[] = {"fast", "quick", "rapid", "brisk"};
constexpr std::string_view kRising[] = {"rising"}, kFalling[] = {"falling"};
constexpr std::string_view kRisingFalling[] = {"rising-falling"}, kFallingRising[] = {"falling-rising"};
constexpr std::string_view kFlat[] = {"flat", "monotone", "monotonous"},
                           kExpressive[] = {"expressive", "lively", "varied"};
constexpr std::string_view kWhispered[] = {"whispered", "whispering"};

constexpr LevelAdjectives kPitchLevels[] = {{"low", kLowPitch}, {"normal", kNormal}, {"high", kHighPitch}};
constexpr LevelAdjectives kEnergyLevels[] = {{"low", kLowEnergy}, {"normal", kNormal}, {"high", kHighEnergy}};
constexpr LevelAdjectives kSpeedLevels[] = {{"slow", kSlow}, {"normal", kNormal}, {"fast", kFast}};
constexpr LevelAdjectives kIntonationLevels[] = {{"rising", kRising},
                                                 {"falling", kFalling},
                                                 {"rising-falling", kRisingFalling},
                                                 {"falling-rising", kFallingRising},
                                                 {"flat", kFlat},
                                                 {"expressive", kExpressive}};
constexpr LevelAdjectives kVoiceLevels[] = {{"whisper", kWhispered}};

constexpr std::string_view kPitchNouns[] = {"pitch", "vocal pitch", "register"};
constexpr std::string_view kEnergyNouns[] = {"energy", "volume", "vocal energy", "loudness"};
constexpr std::string_view kSpeedNouns[] = {"speaking rate", "pace", "tempo", "speech rate"};
constexpr std::string_view kIntonationNouns[] = {"intonation", "contour", "melody", "intonation contour"};
constexpr std::string_view kVoiceNouns[] = {"voice"};

struct Phrases {
  std::span<const LevelAdjectives> levels;
  Words nouns;
};

Phrases phrases_of(Attribute attribute) {
  switch (attribute) {
    case Attribute::kPitch:
      return {kPitchLevels, kPitchNouns};
    case Attribute::kEnergy:
      return {kEnergyLevels, kEnergyNouns};
    case Attribute::kSpeed:
      return {kSpeedLevels, kSpeedNouns};
    case Attribute::kIntonation:
      return {kIntonationLevels, kIntonationNouns};
    case Attribute::kVoice:
      return {kVoiceLevels, kVoiceNouns};
    case Attribute::kStress:
    case Attribute::kGender:
    case Attribute::kAge:
      break;
  }
  PROSODIA_CHECK(false, "{} is no acoustic attribute", attribute_name(attribute));
  return {};
}

std::string_view adjective(Attribute attribute, std::string_view level, PhiloxStream& stream) {
  for (const LevelAdjectives& each : phrases_of(attribute).levels) {
    if (each.level == level) return pick(each.adjectives, stream);
  }
  PROSODIA_CHECK(false, "{} has no phrase for \"{}\"", attribute_name(attribute), level);
  return {};
}

// Clauses that do without the attribute's noun; empty where there are none.
Words free_clauses(Attribute attribute, std::string_view level) {
  static constexpr std::string_view kSlowly[] = {"the speaker talks slowly", "the words come slowly",
                                                 "the sentence is spoken slowly"};
  static constexpr std::string_view kQuickly[] = {"the speaker talks quickly", "the words come rapidly",
                                                  "the sentence is spoken quickly"};
  static constexpr std::string_view kQuiet[] = {"the voice is quiet", "the speaker talks quietly", "the voice is soft"};
  static constexpr std::string_view kLoud[] = {"the voice is loud", "the speaker talks loudly"};
  static constexpr std::string_view kDeep[] = {"the voice is deep", "the voice is low-pitched"};
  static constexpr std::string_view kHigh[] = {"the voice is high-pitched"};
  static constexpr std::string_view kRises[] = {"the melody rises", "the pitch contour goes up"};
  static constexpr std::string_view kFalls[] = {"the melody falls", "the pitch contour goes down"};
  static constexpr std::string_view kRisesFalls[] = {"the melody rises and falls", "the pitch rises and then falls"};
  static constexpr std::string_view kFallsRises[] = {"the melody falls and rises", "the pitch falls and then rises"};
  static constexpr std::string_view kWhispers[] = {"the speaker whispers", "the words are whispered",
                                                   "the voice is a whisper"};
  struct Row {
    Attribute attribute;
    std::string_view level;
    Words clauses;
  };
  static constexpr Row kRows[] = {{Attribute::kSpeed, "slow", kSlowly},
                                  {Attribute::kSpeed, "fast", kQuickly},
                                  {Attribute::kEnergy, "low", kQuiet},
                                  {Attribute::kEnergy, "high", kLoud},
                                  {Attribute::kPitch, "low", kDeep},
                                  {Attribute::kPitch, "high", kHigh},
                                  {Attribute::kIntonation, "rising", kRises},
                                  {Attribute::kIntonation, "falling", kFalls},
                                  {Attribute::kIntonation, "rising-falling", kRisesFalls},
                                  {Attribute::kIntonation, "falling-rising", kFallsRises},
                                  {Attribute::kVoice, "whisper", kWhispers}};
  for (const Row& row : kRows) {
    if (row.attribute == attribute && row.level == level) return row.clauses;
  }
  return {};
}

}  // namespace

std::string with_article(std::string_view phrase) {
  return fmt::format("{} {}", std::string_view("aeiou").find(phrase.front()) != std::string_view::npos ? "an" : "a",
                     phrase);
}

std::string cue_noun_phrase(Attribute attribute, std::string_view level, PhiloxStream& stream) {
  const std::string_view word = adjective(attribute, level, stream);
  return fmt::format("{} {}", word, pick(phrases_of(attribute).nouns, stream));
}

std::string cue_clause(Attribute attribute, std::string_view level, PhiloxStream& stream) {
  static constexpr std::string_view kVerbs[] = {"is", "sounds", "seems", "remains"};
  const Words free = free_clauses(attribute, level);
  if (!free.empty() && stream.next_below(5) < 2) return std::string(pick(free, stream));
  if (attribute == Attribute::kVoice) return std::string(pick(free, stream));
  const std::string_view word = adjective(attribute, level, stream);
  const std::string_view noun = pick(phrases_of(attribute).nouns, stream);
  return fmt::format("the {} {} {}", noun, pick(kVerbs, stream), word);
}

}  // namespace prosodia
