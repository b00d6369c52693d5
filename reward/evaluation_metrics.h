// A run's metrics over one or several parts (sets) with their bootstrap replicates: what reports, averages and paired
// comparisons are made of. For reward/evaluation*.cc. Pure; thread-safe.
//
// With several parts a metric is the unweighted mean over the parts where it is defined, in the value and in every
// replicate; part p is resampled by mix_seed(seed, p) (p = 0: by seed), so that two runs over the same records in the
// same order are resampled alike: paired.
#pragma once

#include <span>
#include <vector>

#include "reward/evaluation.h"
#include "reward/evaluation_tally.h"

namespace prosodia {

struct MeasuredRun {
  std::vector<std::vector<EvalRecord>> parts;
  std::vector<double> values;                   // by Tally::Metric; of a single part also by label
  std::vector<std::vector<double>> replicates;  // [metric][replicate]
  Estimate estimate(size_t metric, double confidence) const;
};

// Errors as evaluate(). Labels are taken from `options`, or from each part.
Result<MeasuredRun> measure_run(std::vector<std::vector<EvalRecord>> parts, const EvalOptions& options);

// run b - run a; both measured with the same options over the same records in the same order.
PairedDifference difference(const MeasuredRun& a, const MeasuredRun& b, size_t metric, double confidence);

// The totals of a report, without labels and confusion.
EvalReport report_of_average(const MeasuredRun& run, const EvalOptions& options);

// b's records in the order of a's; kInvalidInput names the first record without a partner or with another label.
Result<std::vector<EvalRecord>> match_by_id(std::span<const EvalRecord> a, std::span<const EvalRecord> b);

}  // namespace prosodia
