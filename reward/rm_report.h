// How well a reward model's grades agree with prescribed ones: per criterion and for their mean, with percentile
// bootstrap intervals over records.
//
// Called by `train-rm` and tests. Pure: the intervals are a function of (records, options). Thread-safe. Writers:
// rm_report_text.h.
//
// Definitions, over the records that have a value:
//   Spearman   Pearson's correlation of ranks, ties at their mean rank (scipy.stats.spearmanr)
//   Pearson    scipy.stats.pearsonr; both NaN when a side is constant or there are fewer than two records
//   mean absolute error
//   calibration error = sum over bins of (records in it / records) * |mean grade - mean prescribed|, bins of equal
//   width
//              by the model's grade: a grade of 3.4 should mean 3.4 on average (the ECE of a regressor)
//   unparsable, timeouts, errors: shares of all records
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "reward/evaluation.h"
#include "reward/reasoning_scorer.h"

namespace prosodia {

struct RmRecord {
  std::string id;  // for messages
  Criteria prescribed{};
  ReasoningScore score;  // of any status
};

struct RmReportOptions {
  int bootstrap_samples = 2000;  // >= 10, or 0 for no intervals (low = high = NaN)
  double confidence = 0.95;
  int calibration_bins = 8;  // over [1, 5], > 0
  uint64_t seed = 0;
};

struct CalibrationBin {
  double low = 0, high = 0;  // of the model's grade; the last bin holds its upper end
  int64_t records = 0;
  double mean_grade = 0, mean_prescribed = 0;  // NaN when empty
};

struct CriterionAgreement {
  Estimate spearman, pearson, mean_absolute_error, calibration_error;
  std::vector<CalibrationBin> bins;
};

struct RmReport {
  int64_t records = 0, graded = 0;
  Estimate unparsable;  // share
  int64_t timeouts = 0, errors = 0;
  std::string first_failure;  // detail of the first record without a value
  std::array<CriterionAgreement, kNumCriteria> criteria;
  CriterionAgreement mean;  // of the four grades against the mean of the four prescribed
  RmReportOptions options;
};

// kInvalidInput: no records, a prescribed grade outside [1, 5] (the message names the record); kUsage: bad options.
Result<RmReport> report_rm(std::span<const RmRecord> records, const RmReportOptions& options);

double pearson(std::span<const double> x, std::span<const double> y);   // equal lengths
double spearman(std::span<const double> x, std::span<const double> y);  // equal lengths
std::vector<double> mean_ranks(std::span<const double> values);         // from 1; ties share their mean rank

}  // namespace prosodia
