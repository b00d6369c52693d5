// What a dataset card counts: pure functions of a corpus' labels, and of its stored checksums for repeated audio.
//
// Called by: dataset_card.cc. Thread rule: pure functions. Failure rule: as CorpusReader.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/corpus/corpus.h"

namespace prosodia {

inline constexpr std::string_view kUnknown = "not known";  // how an empty label is shown

// Rows in their order, columns in theirs.
struct CountTable {
  std::vector<std::string> rows, columns;
  std::map<std::pair<std::string, std::string>, int> counts;
  int at(const std::string& row, const std::string& column) const;
  int row_total(const std::string& row) const;
};

using Label = std::function<std::string(const UtteranceInfo&)>;

// Emotions in the order of the released prompt, splits as train, validation, test, levels in their natural order, the
// rest by name; "" shows as "not known", last.
CountTable count_by(const CorpusReader& corpus, const Label& row, const Label& column);
// The same with the levels of one attribute as columns; utterances without a level do not count.
CountTable count_levels(const CorpusReader& corpus, Attribute attribute);

std::vector<std::string> emotions_of(const CorpusReader& corpus);  // that occur, in the order of the released prompt

// One measured quantity, or the clip's length.
struct Quantity {
  std::string_view name, unit;
  std::optional<float> ProsodyMeasure::*field;  // null: the length of the clip
};
std::span<const Quantity> quantities();

// emotion -> its values, ascending, of the utterances that have one.
std::map<std::string, std::vector<double>> values_by_emotion(const CorpusReader& corpus, const Quantity& quantity);

// By linear interpolation; `values` ascending and not empty, 0 <= share <= 1.
double quantile(const std::vector<double>& values, double share);

struct Missing {
  std::string what;
  int utterances = 0;  // that lack it
};
std::vector<Missing> missing_values(const CorpusReader& corpus);

}  // namespace prosodia
