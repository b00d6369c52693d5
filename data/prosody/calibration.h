// From physical units to levels: thresholds by percentiles, per speaker where there are enough utterances of one, else
// per gender, else over the corpus. "High" pitch is high for this speaker, not in Hz.
//
// Called by: data synth, data annotate. Thread rule: value types and pure functions. Failure rule: an attribute whose
// measure is missing, or for which no thresholds could be set, gets the empty level.
#pragma once

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
};

struct Calibration {
  LevelThresholds pitch_hz /* of the geometric mean F0 */, energy_dbfs, syllables_per_second;
};

// Shares of the utterances that are to be low and high; the paper's three levels without further knowledge are thirds.
struct LevelShares {
  double low = 1.0 / 3, high = 1.0 / 3;  // fractions, low + high <= 1
};
struct CalibrationOptions {
  LevelShares pitch, energy, speed;
  int min_utterances = 30;  // fewer measured values than this give no thresholds of their own (range >= 3)
};

// Thresholds halfway between the two values around each percentile, so that they fall into a gap where there is one.
Calibration calibrate(std::span<const ProsodyMeasure* const> measures, const CalibrationOptions& options);

ProsodyLevels to_levels(const ProsodyMeasure& measure, const Calibration& calibration);

// One calibration a speaker, with fallbacks.
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
  // Never fails: attributes the speaker has no thresholds for come from the gender, then from the corpus.
  Calibration lookup(std::string_view speaker, std::string_view gender) const;

 private:
  std::map<std::string, Calibration, std::less<>> by_speaker_, by_gender_;
  Calibration corpus_;
};

}  // namespace prosodia
