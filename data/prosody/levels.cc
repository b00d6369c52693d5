#include "data/prosody/levels.h"

#include <algorithm>

#include "data/base/check.h"

namespace prosodia {
namespace {

using std::string_view;

constexpr string_view kThreeLevels[] = {"low", "normal", "high"};
constexpr string_view kSpeedLevels[] = {"slow", "normal", "fast"};
constexpr string_view kIntonationLevels[] = {"rising",         "falling", "rising-falling",
                                             "falling-rising", "flat",    "expressive"};
constexpr string_view kVoiceLevels[] = {"normal", "whisper"};
constexpr string_view kGenderLevels[] = {"male", "female"};
constexpr string_view kAgeLevels[] = {"child", "teenager", "young adult", "middle-aged", "elderly"};

constexpr string_view kPitchNouns[] = {"pitch", "tone", "register"};
constexpr string_view kEnergyNouns[] = {"energy", "volume", "loudness", "intensity"};
constexpr string_view kSpeedNouns[] = {"speed", "speaking rate", "speech rate", "speech", "pace", "tempo", "rate"};
constexpr string_view kIntonationNouns[] = {"intonation", "contour", "melody", "inflection"};
constexpr string_view kVoiceNouns[] = {"voice", "phonation"};
constexpr string_view kStressNouns[] = {"stress", "stressed", "emphasis", "emphasized"};
constexpr string_view kGenderNouns[] = {"speaker", "gender"};
constexpr string_view kAgeNouns[] = {"age"};

constexpr LevelWord kPitchWords[] = {
    {"low", "low", false},        {"normal", "normal", false},   {"high", "high", false},
    {"low-pitched", "low", true}, {"deep", "low", false},        {"high-pitched", "high", true},
    {"medium", "normal", false},  {"moderate", "normal", false}, {"average", "normal", false}};
constexpr LevelWord kEnergyWords[] = {
    {"low", "low", false},       {"normal", "normal", false},   {"high", "high", false},
    {"quiet", "low", true},      {"soft", "low", false},        {"loud", "high", true},
    {"medium", "normal", false}, {"moderate", "normal", false}, {"average", "normal", false}};
constexpr LevelWord kSpeedWords[] = {
    {"slow", "slow", true},        {"normal", "normal", false}, {"fast", "fast", true},  {"slowly", "slow", true},
    {"quickly", "fast", true},     {"rapid", "fast", true},     {"quick", "fast", true}, {"medium", "normal", false},
    {"moderate", "normal", false}, {"average", "normal", false}};
// Compounds first: "rising" is part of "rising-falling".
constexpr LevelWord kIntonationWords[] = {{"rising-falling", "rising-falling", true},
                                          {"falling-rising", "falling-rising", true},
                                          {"rising", "rising", true},
                                          {"falling", "falling", true},
                                          {"monotone", "flat", true},
                                          {"monotonous", "flat", true},
                                          {"flat", "flat", true},
                                          {"expressive", "expressive", true}};
constexpr LevelWord kVoiceWords[] = {{"normal", "normal", false},
                                     {"whispering", "whisper", true},
                                     {"whispered", "whisper", true},
                                     {"whisper", "whisper", true},
                                     {"voiced", "normal", false}};
constexpr LevelWord kGenderWords[] = {
    {"female", "female", true}, {"woman", "female", true}, {"male", "male", true}, {"man", "male", true}};
constexpr LevelWord kAgeWords[] = {{"child", "child", true},
                                   {"teenager", "teenager", true},
                                   {"young adult", "young adult", true},
                                   {"middle-aged", "middle-aged", true},
                                   {"elderly", "elderly", true}};

struct Vocabulary {
  string_view name;
  std::span<const string_view> levels;
  std::span<const string_view> nouns;
  std::span<const LevelWord> words;
};

const Vocabulary& vocabulary(Attribute attribute) {
  static const std::array<Vocabulary, kAttributes.size()> kTable = {{
      {"pitch", kThreeLevels, kPitchNouns, kPitchWords},
      {"energy", kThreeLevels, kEnergyNouns, kEnergyWords},
      {"speed", kSpeedLevels, kSpeedNouns, kSpeedWords},
      {"intonation", kIntonationLevels, kIntonationNouns, kIntonationWords},
      {"voice", kVoiceLevels, kVoiceNouns, kVoiceWords},
      {"stress", {}, kStressNouns, {}},
      {"gender", kGenderLevels, kGenderNouns, kGenderWords},
      {"age", kAgeLevels, kAgeNouns, kAgeWords},
  }};
  const auto index = static_cast<size_t>(attribute);
  PROSODIA_CHECK(index < kTable.size(), "attribute {}", index);
  return kTable[index];
}

}  // namespace

std::string_view attribute_name(Attribute attribute) { return vocabulary(attribute).name; }

std::optional<Attribute> attribute_from_name(std::string_view name) {
  for (Attribute attribute : kAttributes) {
    if (attribute_name(attribute) == name) return attribute;
  }
  return std::nullopt;
}

std::span<const std::string_view> level_names(Attribute attribute) { return vocabulary(attribute).levels; }

bool is_level(Attribute attribute, std::string_view level) {
  const auto levels = level_names(attribute);
  return std::find(levels.begin(), levels.end(), level) != levels.end();
}

std::span<const std::string_view> attribute_words(Attribute attribute) { return vocabulary(attribute).nouns; }
std::span<const LevelWord> level_words(Attribute attribute) { return vocabulary(attribute).words; }

std::string& ProsodyLevels::operator[](Attribute attribute) {
  switch (attribute) {
    case Attribute::kPitch:
      return pitch;
    case Attribute::kEnergy:
      return energy;
    case Attribute::kSpeed:
      return speed;
    case Attribute::kIntonation:
      return intonation;
    case Attribute::kVoice:
      return voice;
    case Attribute::kStress:
      return stress;
    case Attribute::kGender:
      return gender;
    case Attribute::kAge:
      return age;
  }
  PROSODIA_CHECK(false, "attribute {}", static_cast<int>(attribute));
  return pitch;
}
const std::string& ProsodyLevels::operator[](Attribute attribute) const {
  return const_cast<ProsodyLevels&>(*this)[attribute];
}

}  // namespace prosodia
