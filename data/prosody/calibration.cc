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
  result.utterances = static_cast<int>(values.size());
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

// Shares of the controlled levels among the utterances that were measured.
LevelShares counted_shares(const std::vector<const CalibrationTable::Item*>& group, Attribute attribute,
                           std::optional<float> ProsodyMeasure::*value, const LevelShares& fallback) {
  const auto names = level_names(attribute);
  double low = 0, high = 0, count = 0;
  for (const CalibrationTable::Item* item : group) {
    if (!(item->measure->*value)) continue;
    if (item->controlled == nullptr || (*item->controlled)[attribute].empty()) return fallback;
    low += (*item->controlled)[attribute] == names[0];
    high += (*item->controlled)[attribute] == names[2];
    ++count;
  }
  return count > 0 ? LevelShares{low / count, high / count} : fallback;
}

}  // namespace

Calibration calibrate(std::span<const ProsodyMeasure* const> measures, const CalibrationOptions& options) {
  std::vector<float> pitch, energy, speed;
  for (const ProsodyMeasure* measure : measures) {
    if (measure->f0_mean_hz) pitch.push_back(*measure->f0_mean_hz);
    if (measure->energy_dbfs) energy.push_back(*measure->energy_dbfs);
    if (measure->syllables_per_second) speed.push_back(*measure->syllables_per_second);
  }
  return {thresholds(std::move(pitch), options.pitch, options.min_utterances),
          thresholds(std::move(energy), options.energy, options.min_utterances),
          thresholds(std::move(speed), options.speed, options.min_utterances)};
}

ProsodyLevels to_levels(const ProsodyMeasure& measure, const Calibration& calibration) {
  ProsodyLevels levels;
  levels.pitch = level_of(measure.f0_mean_hz, calibration.pitch_hz, Attribute::kPitch);
  levels.energy = level_of(measure.energy_dbfs, calibration.energy_dbfs, Attribute::kEnergy);
  levels.speed = level_of(measure.syllables_per_second, calibration.syllables_per_second, Attribute::kSpeed);
  levels.intonation = measure.intonation;
  if (measure.voiced_ratio) levels.voice = measure.is_whisper ? "whisper" : "normal";
  return levels;
}

CalibrationTable CalibrationTable::build(std::span<const Item> items, const CalibrationOptions& options) {
  std::map<std::string, std::vector<const Item*>, std::less<>> speakers, genders;
  std::vector<const Item*> all;
  for (const Item& item : items) {
    if (options.scope == CalibrationScope::kSpeaker && !item.speaker.empty()) {
      speakers[std::string(item.speaker)].push_back(&item);
    }
    if (options.scope != CalibrationScope::kCorpus && !item.gender.empty()) {
      genders[std::string(item.gender)].push_back(&item);
    }
    all.push_back(&item);
  }
  const auto calibrate_group = [&](const std::vector<const Item*>& group) {
    CalibrationOptions own = options;
    own.pitch = counted_shares(group, Attribute::kPitch, &ProsodyMeasure::f0_mean_hz, options.pitch);
    own.energy = counted_shares(group, Attribute::kEnergy, &ProsodyMeasure::energy_dbfs, options.energy);
    own.speed = counted_shares(group, Attribute::kSpeed, &ProsodyMeasure::syllables_per_second, options.speed);
    std::vector<const ProsodyMeasure*> measures;
    for (const Item* item : group) measures.push_back(item->measure);
    return calibrate(measures, own);
  };
  CalibrationTable table;
  for (const auto& [speaker, group] : speakers) table.by_speaker_[speaker] = calibrate_group(group);
  for (const auto& [gender, group] : genders) table.by_gender_[gender].pitch_hz = calibrate_group(group).pitch_hz;
  table.corpus_ = calibrate_group(all);
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
