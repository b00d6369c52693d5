#include "data/prosody/calibration.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "data/base/check.h"

namespace prosodia {
namespace {

LevelThresholds thresholds(std::vector<float> values, const LevelShares& shares, int min_utterances) {
  PROSODIA_CHECK(shares.low >= 0 && shares.high >= 0 && shares.low + shares.high <= 1.0 + 1e-9, "low {} high {}",
                 shares.low, shares.high);
  LevelThresholds result;
  if (values.size() < static_cast<size_t>(std::max(min_utterances, 3))) return result;
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(values.size());
  // A border between the k-th and the next value; at the ends it lies outside.
  const auto border = [&](double share) {
    const auto k = static_cast<size_t>(std::lround(share * count));
    if (k == 0) return values.front() - 1.0f;
    if (k >= values.size()) return values.back() + 1.0f;
    return 0.5f * (values[k - 1] + values[k]);
  };
  result.low_below = border(shares.low);
  result.high_above = border(1.0 - shares.high);
  result.valid = true;
  return result;
}

std::string level_of(const std::optional<float>& value, const LevelThresholds& t, Attribute attribute) {
  if (!value || !t.valid) return {};
  const auto names = level_names(attribute);
  return std::string(*value < t.low_below ? names[0] : *value > t.high_above ? names[2] : names[1]);
}

void fill_missing(Calibration& calibration, const Calibration& fallback) {
  for (LevelThresholds Calibration::*field :
       {&Calibration::pitch_hz, &Calibration::energy_dbfs, &Calibration::syllables_per_second}) {
    if (!(calibration.*field).valid) calibration.*field = fallback.*field;
  }
}

}  // namespace

Calibration calibrate(std::span<const ProsodyMeasure* const> measures, const CalibrationOptions& options) {
  std::vector<float> pitch, energy, speed;
  for (const ProsodyMeasure* measure : measures) {
    if (measure->f0_median_hz) pitch.push_back(*measure->f0_median_hz);
    if (measure->energy_dbfs) energy.push_back(*measure->energy_dbfs);
    if (measure->syllables_per_second) speed.push_back(*measure->syllables_per_second);
  }
  return {thresholds(std::move(pitch), options.pitch, options.min_utterances),
          thresholds(std::move(energy), options.energy, options.min_utterances),
          thresholds(std::move(speed), options.speed, options.min_utterances)};
}

ProsodyLevels to_levels(const ProsodyMeasure& measure, const Calibration& calibration) {
  ProsodyLevels levels;
  levels.pitch = level_of(measure.f0_median_hz, calibration.pitch_hz, Attribute::kPitch);
  levels.energy = level_of(measure.energy_dbfs, calibration.energy_dbfs, Attribute::kEnergy);
  levels.speed = level_of(measure.syllables_per_second, calibration.syllables_per_second, Attribute::kSpeed);
  levels.intonation = measure.intonation;
  if (measure.voiced_ratio) levels.voice = measure.is_whisper ? "whisper" : "normal";
  return levels;
}

CalibrationTable CalibrationTable::build(std::span<const Item> items, const CalibrationOptions& options) {
  std::map<std::string, std::vector<const ProsodyMeasure*>, std::less<>> speakers, genders;
  std::vector<const ProsodyMeasure*> all;
  for (const Item& item : items) {
    speakers[std::string(item.speaker)].push_back(item.measure);
    genders[std::string(item.gender)].push_back(item.measure);
    all.push_back(item.measure);
  }
  CalibrationTable table;
  for (const auto& [speaker, measures] : speakers) table.by_speaker_[speaker] = calibrate(measures, options);
  for (const auto& [gender, measures] : genders) table.by_gender_[gender] = calibrate(measures, options);
  table.corpus_ = calibrate(all, options);
  return table;
}

Calibration CalibrationTable::lookup(std::string_view speaker, std::string_view gender) const {
  Calibration result;
  if (const auto it = by_speaker_.find(speaker); it != by_speaker_.end()) result = it->second;
  if (const auto it = by_gender_.find(gender); it != by_gender_.end()) fill_missing(result, it->second);
  fill_missing(result, corpus_);
  return result;
}

}  // namespace prosodia
