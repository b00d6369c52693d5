// What to say and how: the seeded plan of a synthetic corpus, before any sound is made.
//
// Called by: synth. Thread rule: pure functions. Utterance i of a split depends on (seed, split, i) alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/corpus/speakers.h"
#include "data/prosody/levels.h"

namespace prosodia {

struct UtterancePlan {
  std::string id, split;
  std::string emotion;
  size_t speaker = 0;  // index into the speakers of the split
  std::string sentence;
  ProsodyLevels controlled;  // pitch and intonation are empty for a whisper: it has none
  int words_per_minute = 0;
  double energy_dbfs = 0;               // RMS over speech frames
  std::vector<std::string> units;       // the sentence in pieces that carry one pitch each
  std::vector<double> unit_semitones;   // their pitch relative to the speaker's level
  int pitch_range_percent = 0;          // change of espeak-ng's own intonation within words
  std::optional<size_t> stressed_unit;  // spoken louder, slower and a little higher; controlled.stress is its last word
};

// `count` utterances with the emotions in equal numbers (up to one), a share of them with one stressed word. The stress
// changes nothing else: the same seed with another share gives the same plans but for it.
std::vector<UtterancePlan> plan_split(const std::string& split, int count, uint64_t seed, size_t speaker_count,
                                      std::span<const std::string_view> sentences, double stress_share = 0);

// The sentence as SSML with the pitches of its units, for espeak-ng -m at -p 50.
std::string to_ssml(const UtterancePlan& plan);

}  // namespace prosodia
