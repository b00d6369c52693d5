#include "data/card/card_stats.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "data/base/check.h"
#include "data/corpus/emotions.h"

namespace prosodia {
namespace {

// Known vocabularies first and in their order, then by name, "not known" at the end.
std::vector<std::string> ordered(const std::set<std::string>& values) {
  std::vector<std::string> result;
  std::set<std::string> left = values;
  const auto take = [&](std::string_view value) {
    if (left.erase(std::string(value)) > 0) result.emplace_back(value);
  };
  for (const EmotionProfile& emotion : emotion_profiles()) take(emotion.name);
  for (const std::string_view split : {"train", "validation", "test"}) take(split);
  for (const Attribute attribute : kAttributes) {
    for (const std::string_view level : level_names(attribute)) take(level);
  }
  for (const std::string& value : left) {
    if (value != kUnknown) result.push_back(value);
  }
  if (left.contains(std::string(kUnknown))) result.emplace_back(kUnknown);
  return result;
}

std::string shown(std::string value) { return value.empty() ? std::string(kUnknown) : value; }

}  // namespace

int CountTable::at(const std::string& row, const std::string& column) const {
  const auto found = counts.find({row, column});
  return found == counts.end() ? 0 : found->second;
}

int CountTable::row_total(const std::string& row) const {
  int total = 0;
  for (const std::string& column : columns) total += at(row, column);
  return total;
}

CountTable count_by(const CorpusReader& corpus, const Label& row, const Label& column) {
  CountTable table;
  std::set<std::string> rows, columns;
  for (size_t i = 0; i < corpus.size(); ++i) {
    const UtteranceInfo& info = corpus.info(i);
    const std::string r = shown(row(info)), c = shown(column(info));
    ++table.counts[{r, c}];
    rows.insert(r);
    columns.insert(c);
  }
  table.rows = ordered(rows);
  table.columns = ordered(columns);
  return table;
}

CountTable count_levels(const CorpusReader& corpus, Attribute attribute) {
  CountTable table;
  for (const std::string_view level : level_names(attribute)) table.columns.emplace_back(level);
  table.rows = emotions_of(corpus);
  for (size_t i = 0; i < corpus.size(); ++i) {
    const UtteranceInfo& info = corpus.info(i);
    if (!info.levels[attribute].empty()) ++table.counts[{shown(info.emotion), info.levels[attribute]}];
  }
  return table;
}

std::vector<std::string> emotions_of(const CorpusReader& corpus) {
  std::set<std::string> emotions;
  for (size_t i = 0; i < corpus.size(); ++i) emotions.insert(shown(corpus.info(i).emotion));
  return ordered(emotions);
}

std::span<const Quantity> quantities() {
  static const std::array<Quantity, 7> kQuantities = {{
      {"pitch (median F0)", "Hz", &ProsodyMeasure::f0_median_hz},
      {"pitch range", "semitones", &ProsodyMeasure::f0_range_semitones},
      {"energy", "dBFS", &ProsodyMeasure::energy_dbfs},
      {"speaking rate", "syllables/s", &ProsodyMeasure::syllables_per_second},
      {"voiced share", "of speech", &ProsodyMeasure::voiced_ratio},
      {"speech", "s", &ProsodyMeasure::speech_seconds},
      {"clip length", "s", nullptr},
  }};
  return kQuantities;
}

std::map<std::string, std::vector<double>> values_by_emotion(const CorpusReader& corpus, const Quantity& quantity) {
  std::map<std::string, std::vector<double>> values;
  for (size_t i = 0; i < corpus.size(); ++i) {
    const UtteranceInfo& info = corpus.info(i);
    const std::optional<double> value = quantity.field == nullptr
                                            ? std::optional<double>(corpus.seconds(i))
                                            : std::optional<double>(info.measured.*quantity.field);
    if (value && std::isfinite(*value)) values[shown(info.emotion)].push_back(*value);
  }
  for (auto& [emotion, list] : values) std::sort(list.begin(), list.end());
  return values;
}

double quantile(const std::vector<double>& values, double share) {
  PROSODIA_CHECK(!values.empty(), "quantile of nothing");
  const double at = share * static_cast<double>(values.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

std::vector<Missing> missing_values(const CorpusReader& corpus) {
  std::vector<Missing> missing;
  const auto count = [&](std::string what, const auto& lacks) {
    Missing entry{std::move(what), 0};
    for (size_t i = 0; i < corpus.size(); ++i) entry.utterances += lacks(corpus.info(i));
    missing.push_back(std::move(entry));
  };
  const std::pair<const char*, std::string UtteranceInfo::*> kTexts[] = {
      {"transcript", &UtteranceInfo::transcript}, {"speaker", &UtteranceInfo::speaker},
      {"gender", &UtteranceInfo::gender},         {"age group", &UtteranceInfo::age_group},
      {"language", &UtteranceInfo::language},     {"source label", &UtteranceInfo::source_label}};
  for (const auto& [name, field] : kTexts) {
    count(name, [field = field](const UtteranceInfo& info) { return (info.*field).empty(); });
  }
  count("words in time", [](const UtteranceInfo& info) { return info.words.empty(); });
  for (const Attribute attribute : kAcousticAttributes) {
    count(std::string(attribute_name(attribute)) + " level",
          [attribute](const UtteranceInfo& info) { return info.levels[attribute].empty(); });
  }
  for (const Quantity& quantity : quantities()) {
    if (quantity.field == nullptr) continue;
    count(fmt::format("{} (measured)", quantity.name),
          [&](const UtteranceInfo& info) { return !(info.measured.*quantity.field).has_value(); });
  }
  return missing;
}

}  // namespace prosodia
