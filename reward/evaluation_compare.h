// Several runs side by side over the same records: every metric with its interval, and each run's paired difference to
// the first run with interval and p, corrected over the runs.
//
// Called by `eval --compare`. Pure; thread-safe. All runs are resampled alike (paired bootstrap). Two-sided p as in
// evaluation.h; Holm's step-down correction over the runs compared with the reference, for each metric and set by
// itself (Holm 1979; statsmodels' multipletests(method="holm")).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "reward/evaluation_sets.h"

namespace prosodia {

struct RunRecords {
  std::string name;
  std::vector<EvalSetRecords> sets;
};

struct ComparedMetric {
  std::string name;  // "accuracy", "unweighted_average_recall", "criteria_mean", … or, for prosody, an attribute
  int decimals = 3;
  std::vector<Estimate> runs;                 // of every run, in order
  std::vector<PairedDifference> differences;  // run i + 1 minus the first
  std::vector<double> holm_p;                 // of the differences; NaN where p is
};

struct SetComparison {
  std::string set;  // "average" for the mean over the sets
  EvalTask task = EvalTask::kEmotion;
  int64_t records = 0;
  std::vector<ComparedMetric> metrics;  // those that at least one run has
};

struct Comparison {
  std::vector<std::string> runs;  // the first is the reference
  std::vector<SetComparison> sets;
  EvalOptions options;
};

// At least two runs. kInvalidInput when the sets' names, their ids or labels differ: names the run, the set and the
// first record that does. A record's place does not matter.
Result<Comparison> compare_many(std::span<const RunRecords> runs, const EvalOptions& options);

// Adjusted p values, in order; NaN stays NaN and does not count.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace prosodia
