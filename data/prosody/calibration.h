// From physical units to levels: thresholds by percentiles. Pitch is compared with the same speaker where there are
// enough utterances of one, else with the same gender, else with the corpus; energy and speed with the speaker, else
// the corpus. "High" pitch is high for this speaker, not in Hz.
//
// Called by: data synth, data annotate. Thread rule: value types and pure functions. Failure rule: an attribute whose
// measure is missing, or for which no thresholds could be set, gets the empty level.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "data/prosody/levels.h"
#include "data/prosody/measure.h"

namespace prosodia {

// value < low_below -> low (slow); value > high_above -> high (fast); otherwise normal. Units of the measure.
struct LevelThresholds {
  float low_below = 0, high_above = 0;
  bool valid = false;
  int utterances = 0;  // measured ones that the thresholds were, or would have been, taken from
};

struct Calibration {
  LevelThresholds pitch_hz /* of the geometric mean F0 */, energy_dbfs, syllables_per_second;
};

// Shares of the utterances that are to be low and high; the paper's three levels without further knowledge are thirds.
struct LevelShares {
  double low = 1.0 / 3, high = 1.0 / 3;  // fractions, low + high <= 1
};
// The narrowest group an utterance is compared with.
enum class CalibrationScope : uint8_t {
  kSpeaker,  // speaker, gender (pitch only), corpus
  kGender,   // pitch: gender, corpus; energy and speed: corpus
  kCorpus
};
struct CalibrationOptions {
  CalibrationScope scope = CalibrationScope::kSpeaker;
  LevelShares pitch, energy, speed;
  int min_utterances = 30;  // fewer measured values than this give no thresholds of their own (range >= 3)
};

// Thresholds halfway between the two values around each percentile, so that they fall into a gap where there is one.
Calibration calibrate(std::span<const ProsodyMeasure* const> measures, const CalibrationOptions& options);

ProsodyLevels to_levels(const ProsodyMeasure& measure, const Calibration& calibration);

// One calibration a group, with fallbacks. Utterances without a speaker or gender ("") belong to no such group.
class CalibrationTable {
 public:
  struct Item {
    std::string_view speaker, gender;
    const ProsodyMeasure* measure;
    // What a synthesis was told, or null. Where a whole group has it, the shares of low and high are counted from it
    // instead of taken from the options: the same number of utterances is then high by measure as by control.
    const ProsodyLevels* controlled = nullptr;
  };
  static CalibrationTable build(std::span<const Item> items, const CalibrationOptions& options);
  // Never fails: attributes the speaker has no thresholds for come from the wider groups.
  Calibration lookup(std::string_view speaker, std::string_view gender) const;

  using Groups = std::map<std::string, Calibration, std::less<>>;
  const Groups& speakers() const { return by_speaker_; }  // empty unless the scope is kSpeaker
  const Groups& genders() const { return by_gender_; }    // pitch only; empty for kCorpus
  const Calibration& corpus() const { return corpus_; }

 private:
  Groups by_speaker_, by_gender_;
  Calibration corpus_;
};

}  // namespace prosodia
