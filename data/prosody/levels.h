// The closed vocabulary of prosody: which attributes a speaker's delivery has, which levels each can take, and which
// English words name them. Everything that writes or reads prosody in text shares this file: the dataset builders write
// these words, the faithfulness scorer looks for them, the corpus stores the level names.
//
// Called by: data/corpus (labels), reward/faithfulness (claims), evaluation. Thread rule: pure functions over
// constants. Failure rule: an unknown name is nullopt or an empty string, never a guess.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace prosodia {

enum class Attribute : uint8_t { kPitch, kEnergy, kSpeed, kIntonation, kVoice, kStress, kGender, kAge };

inline constexpr std::array<Attribute, 8> kAttributes = {Attribute::kPitch,      Attribute::kEnergy, Attribute::kSpeed,
                                                         Attribute::kIntonation, Attribute::kVoice,  Attribute::kStress,
                                                         Attribute::kGender,     Attribute::kAge};

// The attributes of delivery that a signal alone determines; the ones a synthetic corpus controls.
inline constexpr std::array<Attribute, 5> kAcousticAttributes = {
    Attribute::kPitch, Attribute::kEnergy, Attribute::kSpeed, Attribute::kIntonation, Attribute::kVoice};

// "pitch", "energy", "speed", "intonation", "voice", "stress", "gender", "age": the key in JSON rows and HDF5 columns.
std::string_view attribute_name(Attribute attribute);
std::optional<Attribute> attribute_from_name(std::string_view name);

// Canonical level names, lower case, in their natural order; empty for kStress, whose levels are words of the
// transcript.
//   pitch, energy   low | normal | high
//   speed           slow | normal | fast
//   intonation      rising | falling | rising-falling | falling-rising | flat | expressive
//   voice           normal | whisper
//   gender          male | female
//   age             child | teenager | young adult | middle-aged | elderly
std::span<const std::string_view> level_names(Attribute attribute);
bool is_level(Attribute attribute, std::string_view level);

// Nouns that announce an attribute in running text, canonical first: "pitch", "tone" …
std::span<const std::string_view> attribute_words(Attribute attribute);

// Words that state a level in running text. `names_attribute`: the word alone is a claim ("loud", "whispered"); the
// others need one of attribute_words near them ("high" may be pitch or energy). Longer words come before their parts
// ("rising-falling" before "rising"), so that the first match is the right one.
struct LevelWord {
  std::string_view word;
  std::string_view level;
  bool names_attribute;
};
std::span<const LevelWord> level_words(Attribute attribute);

// The levels of one utterance. An empty string means unknown or not applicable: a whisper has no pitch and no
// intonation, a recording without transcript no speed. Value type.
struct ProsodyLevels {
  std::string pitch, energy, speed, intonation, voice;
  std::string stress;  // stressed words of the transcript, space-separated
  std::string gender, age;

  std::string& operator[](Attribute attribute);
  const std::string& operator[](Attribute attribute) const;
  friend bool operator==(const ProsodyLevels&, const ProsodyLevels&) = default;
};

}  // namespace prosodia
