// Classification and reasoning metrics of an evaluation, with 95 % bootstrap intervals.
//
// Called by the `eval` command (records from the model's responses), recipes and tests. Pure: no files, no clock; the
// intervals are a function of (records, options). Thread-safe. Writers: evaluation_report.h.
//
// Definitions. Only labels with at least one record ("support") enter the macro averages:
//   accuracy = share of records whose prediction is the label      UAR = mean of the per-label recalls
//   macro-F1 = mean of the per-label F1 (sklearn's with labels = those with support; an undefined precision is 0)
//   format rate = share with R_f = 1      criteria = means over the records that have a grade
//   faithfulness precision = true claims / checkable claims, recall = recalled attributes / measured attributes, both
//   pooled over records (a ratio of sums), so that a response with one lucky claim weighs as one claim
// Intervals: percentile bootstrap over records; a replicate's ratio is computed from its own sums.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/prosody/levels.h"
#include "reward/reasoning_scorer.h"

namespace prosodia {

struct EvalRecord {
  std::string id;          // for pairing two runs and for error messages
  std::string label;       // the reference, one of EvalOptions::labels (compared as rules.h does)
  std::string prediction;  // text of <answer>; empty or unknown: counted as "other", never right
  bool format = false;     // R_f
  // Of a prosody-test question: what is asked about ("pitch", "comparative_energy"); then `label` is the solution,
  // `prediction` the option chosen. Such records are for evaluation_sets.h, not for evaluate() as they are.
  std::string attribute;
  bool attribute_right = false;
  std::optional<Criteria> criteria;  // four grades in [1, 5], if a scorer gave any
  // Counts from faithfulness.h; all 0 for a row without measured levels.
  int checkable_claims = 0, true_claims = 0;
  int measured_attributes = 0, recalled_attributes = 0;
};

struct EvalOptions {
  std::vector<std::string> labels;  // in the order of the tables; empty: the labels seen, sorted
  int bootstrap_samples = 1000;     // >= 100, or 0 for no intervals (low = high = NaN)
  double confidence = 0.95;         // (0, 1)
  uint64_t seed = 0;
};

struct Estimate {
  double value = 0, low = 0, high = 0;  // NaN: undefined (no data)
};

struct LabelMetrics {
  std::string label;
  int64_t support = 0, predicted = 0, correct = 0;
  Estimate recall, precision, f1;  // NaN recall and f1 without support; NaN precision when never predicted
};

struct EvalReport {
  int64_t records = 0;
  int64_t graded = 0;  // records with criteria
  Estimate accuracy, unweighted_average_recall, macro_f1, format_rate;
  std::array<Estimate, kNumCriteria> criteria;
  Estimate criteria_mean;  // the "reasoning quality" of the paper's tables
  Estimate faithfulness_precision, faithfulness_recall;
  std::vector<LabelMetrics> labels;
  // [reference label][prediction]; the last column is "other": no answer, several, or a word that is no label.
  std::vector<std::vector<int64_t>> confusion;
  EvalOptions options;  // as used; labels filled in
};

// kInvalidInput: no records, a reference label that is not in options.labels (the message names the record), a grade
// outside [1, 5], negative counts; kUsage: bad options.
Result<EvalReport> evaluate(std::span<const EvalRecord> records, const EvalOptions& options);

// One response against its row: rules, claims and, if given, grades. `solution` is the row's label; `prosody` the row's
// "prosody" object as levels, or null.
EvalRecord make_eval_record(std::string id, std::string_view response, std::string_view solution,
                            const ProsodyLevels* measured, const ReasoningScore* score);

struct PairedDifference {
  double value = 0, low = 0, high = 0;  // metric(b) - metric(a)
  double p_value = 0;  // two-sided: 2 (min(#replicates <= 0, #replicates >= 0) + 1) / (replicates + 1), at most 1
};

}  // namespace prosodia
