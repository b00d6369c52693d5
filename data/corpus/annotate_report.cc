#include <fmt/format.h>

#include "data/corpus/annotate.h"

namespace prosodia {
namespace {

std::string counts_text(const std::map<std::string, int>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, count);
  return text;
}

std::string levels_line(Attribute attribute, const AnnotateReport::AttributeCounts& counts) {
  std::string text = fmt::format("  {:<11}", attribute_name(attribute));
  for (std::string_view level : level_names(attribute)) {
    const auto found = counts.levels.find(std::string(level));
    text += fmt::format(" {} {} ", level, found == counts.levels.end() ? 0 : found->second);
  }
  int undetermined = 0;
  for (const auto& [reason, count] : counts.undetermined) undetermined += count;
  if (undetermined > 0) text += fmt::format(" undetermined {} ({})", undetermined, counts_text(counts.undetermined));
  return text + "\n";
}

std::string thresholds_text(const LevelThresholds& thresholds, int decimals) {
  if (!thresholds.valid) return fmt::format("{:<25}", thresholds.utterances > 0 ? "(too few, see below)" : "-");
  return fmt::format("{:<25}", fmt::format("{:.{}f} to {:.{}f} ({})", thresholds.low_below, decimals,
                                           thresholds.high_above, decimals, thresholds.utterances));
}

std::string group_line(std::string_view name, const Calibration& calibration) {
  return fmt::format("  {:<22} {}{}{}\n", name, thresholds_text(calibration.pitch_hz, 1),
                     thresholds_text(calibration.energy_dbfs, 1), thresholds_text(calibration.syllables_per_second, 2));
}

bool has_thresholds(const Calibration& calibration) {
  return calibration.pitch_hz.valid || calibration.energy_dbfs.valid || calibration.syllables_per_second.valid;
}

std::string groups_text(const CalibrationTable& table) {
  std::string text = fmt::format("thresholds, normal from … to … (utterances)\n  {:<22} {:<25}{:<25}{}\n", "",
                                 "pitch, Hz", "energy, dBFS", "speed, syllables/s");
  int small = 0;
  const auto add = [&](std::string_view kind, const CalibrationTable::Groups& groups) {
    for (const auto& [name, calibration] : groups) {
      if (has_thresholds(calibration)) {
        text += group_line(fmt::format("{} {}", kind, name), calibration);
      } else {
        ++small;
      }
    }
  };
  add("speaker", table.speakers());
  add("gender", table.genders());
  text += group_line("corpus", table.corpus());
  if (small > 0) text += fmt::format("  {} speakers or genders with too few utterances use the wider groups\n", small);
  return text;
}

}  // namespace

std::string AnnotateReport::to_text() const {
  std::string text =
      fmt::format("{} utterances, {:.1f} minutes of audio in {:.1f} s on {} threads: {:.0f} x real time\n", utterances,
                  audio_seconds / 60, wall_seconds, jobs, wall_seconds > 0 ? audio_seconds / wall_seconds : 0.0);
  for (const auto& [attribute, counts] : attributes) text += levels_line(attribute, counts);
  text += fmt::format("  {:<11} {} of {} words stressed; times of {} words known, of {} estimated\n", "stress",
                      stressed_words, timed_words + estimated_words, timed_words, estimated_words);
  if (!without_stress.empty()) text += fmt::format("              without stress: {}\n", counts_text(without_stress));
  if (stress_controlled > 0) {
    text += fmt::format("              measured as controlled in {} of {} utterances\n", stress_agreeing,
                        stress_controlled);
  }
  if (clipped > 0) text += fmt::format("  {} clips are clipped: their energy is a lower bound\n", clipped);
  return text + groups_text(calibration);
}

}  // namespace prosodia
