// Evaluation over several sets at once: a report for each, and the average over them that the paper's tables give.
//
// Called by `eval`. Pure; thread-safe. A set holds emotion records, prosody-test records (EvalRecord::attribute is not
// empty), or both, which are then reported apart. The prosody report is an EvalReport whose labels are the attributes
// and whose recalls are the accuracies per attribute: `accuracy` is over questions, `unweighted_average_recall` the
// mean over attributes; macro_f1 and precision say nothing there.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "reward/evaluation.h"

namespace prosodia {

enum class EvalTask { kEmotion, kProsody };
std::string_view name(EvalTask task);  // "emotion", "prosody"

struct EvalSetRecords {
  std::string name;
  std::vector<EvalRecord> records;
};

struct EvalSetReport {
  std::string name;
  std::optional<EvalReport> emotion, prosody;
};

struct EvalSummary {
  std::vector<EvalSetReport> sets;
  // Unweighted means over the sets that have the task, when there are several; a metric that a set lacks is left out of
  // its mean. Intervals: each set is resampled for itself. Labels and confusion are empty.
  std::optional<EvalReport> emotion_average, prosody_average;
};

// The records of one task, ready for evaluate(): prosody records with their attribute as label, and as prediction when
// the answer is right.
std::vector<EvalRecord> records_of(std::span<const EvalRecord> records, EvalTask task);
// Attributes in the order of the paper's table (pitch, rate, energy, intonation, stress), then comparative ones, then
// others: what the labels of a prosody report are.
std::vector<std::string> attribute_order(std::span<const EvalRecord> records);

// Errors as evaluate(), with the set's name in front; kInvalidInput for no sets or an empty one.
Result<EvalSummary> evaluate_sets(std::span<const EvalSetRecords> sets, const EvalOptions& options);

}  // namespace prosodia
