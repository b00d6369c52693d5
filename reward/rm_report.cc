#include "reward/rm_report.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/base/check.h"
#include "reward/bootstrap.h"
#include "reward/group_reward.h"

namespace prosodia {
namespace {

constexpr double kLowest = 1, kHighest = 5;

// One criterion of all graded records.
struct Pairs {
  std::vector<double> grade, prescribed;
};

Pairs picked(const Pairs& all, std::span<const uint32_t> indices) {
  Pairs some;
  for (const uint32_t i : indices) {
    some.grade.push_back(all.grade[i]);
    some.prescribed.push_back(all.prescribed[i]);
  }
  return some;
}

double mean_absolute_error(const Pairs& pairs) {
  double sum = 0;
  for (size_t i = 0; i < pairs.grade.size(); ++i) sum += std::abs(pairs.grade[i] - pairs.prescribed[i]);
  return pairs.grade.empty() ? kNoValue : sum / static_cast<double>(pairs.grade.size());
}

std::vector<CalibrationBin> calibration_bins(const Pairs& pairs, int count) {
  const double width = (kHighest - kLowest) / count;
  std::vector<CalibrationBin> bins(static_cast<size_t>(count));
  for (int b = 0; b < count; ++b) {
    bins[static_cast<size_t>(b)].low = kLowest + b * width;
    bins[static_cast<size_t>(b)].high = kLowest + (b + 1) * width;
  }
  for (size_t i = 0; i < pairs.grade.size(); ++i) {
    const auto b = std::min(static_cast<size_t>((pairs.grade[i] - kLowest) / width), bins.size() - 1);
    ++bins[b].records;
    bins[b].mean_grade += pairs.grade[i];
    bins[b].mean_prescribed += pairs.prescribed[i];
  }
  for (CalibrationBin& bin : bins) {
    const double n = bin.records > 0 ? static_cast<double>(bin.records) : kNoValue;
    bin.mean_grade /= n;
    bin.mean_prescribed /= n;
  }
  return bins;
}

double calibration_error(const std::vector<CalibrationBin>& bins) {
  double sum = 0;
  int64_t records = 0;
  for (const CalibrationBin& bin : bins) {
    records += bin.records;
    if (bin.records > 0) sum += static_cast<double>(bin.records) * std::abs(bin.mean_grade - bin.mean_prescribed);
  }
  return records == 0 ? kNoValue : sum / static_cast<double>(records);
}

std::array<double, 4> metrics_of(const Pairs& pairs, int bins) {
  return {spearman(pairs.grade, pairs.prescribed), pearson(pairs.grade, pairs.prescribed), mean_absolute_error(pairs),
          calibration_error(calibration_bins(pairs, bins))};
}

CriterionAgreement agreement(const Pairs& pairs, const RmReportOptions& options) {
  const std::array<double, 4> values = metrics_of(pairs, options.calibration_bins);
  std::array<std::vector<double>, 4> replicates;
  std::vector<uint32_t> indices;
  for (int b = 0; b < options.bootstrap_samples && !pairs.grade.empty(); ++b) {
    resample(options.seed, static_cast<uint64_t>(b), static_cast<uint32_t>(pairs.grade.size()), indices);
    const auto drawn = metrics_of(picked(pairs, indices), options.calibration_bins);
    for (size_t m = 0; m < drawn.size(); ++m) replicates[m].push_back(drawn[m]);
  }
  CriterionAgreement result;
  Estimate* const estimates[] = {&result.spearman, &result.pearson, &result.mean_absolute_error,
                                 &result.calibration_error};
  for (size_t m = 0; m < values.size(); ++m) {
    const Interval interval = percentile_interval(replicates[m], options.confidence);
    *estimates[m] = {values[m], interval.low, interval.high};
  }
  result.bins = calibration_bins(pairs, options.calibration_bins);
  return result;
}

Estimate unparsable_share(std::span<const RmRecord> records, const RmReportOptions& options) {
  const auto share = [&](auto&& at, size_t count) {
    size_t unparsable = 0;
    for (size_t i = 0; i < count; ++i) unparsable += records[at(i)].score.status == ScoreStatus::kUnparsable;
    return static_cast<double>(unparsable) / static_cast<double>(count);
  };
  std::vector<double> replicates;
  std::vector<uint32_t> indices;
  for (int b = 0; b < options.bootstrap_samples; ++b) {
    resample(options.seed, static_cast<uint64_t>(b), static_cast<uint32_t>(records.size()), indices);
    replicates.push_back(share([&](size_t i) { return indices[i]; }, indices.size()));
  }
  const Interval interval = percentile_interval(replicates, options.confidence);
  return {share([](size_t i) { return i; }, records.size()), interval.low, interval.high};
}

Status validate(std::span<const RmRecord> records, const RmReportOptions& options) {
  if (options.bootstrap_samples != 0 && options.bootstrap_samples < 10)
    return fail(ErrorCode::kUsage, "bootstrap_samples {}: expected 0 or at least 10", options.bootstrap_samples);
  if (!(options.confidence > 0 && options.confidence < 1) || options.calibration_bins < 1)
    return fail(ErrorCode::kUsage, "confidence {}, calibration_bins {}", options.confidence, options.calibration_bins);
  if (records.empty()) return fail(ErrorCode::kInvalidInput, "no records to compare with prescribed grades");
  for (const RmRecord& record : records)
    for (size_t j = 0; j < kNumCriteria; ++j)
      if (!(record.prescribed[j] >= kLowest && record.prescribed[j] <= kHighest))
        return fail(ErrorCode::kInvalidInput, "{}: prescribed {} {}, expected 1 to 5", record.id,
                    name(static_cast<Criterion>(j)), record.prescribed[j]);
  return {};
}

}  // namespace

std::vector<double> mean_ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = static_cast<double>(begin + 1 + end) / 2;  // mean of begin + 1 … end
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
  }
  return ranks;
}

double pearson(std::span<const double> x, std::span<const double> y) {
  PROSODIA_CHECK(x.size() == y.size(), "{} and {} values", x.size(), y.size());
  if (x.size() < 2) return kNoValue;
  const auto n = static_cast<double>(x.size());
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, yy = 0, xy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  if (!(xx > 0 && yy > 0)) return kNoValue;
  return std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
}

double spearman(std::span<const double> x, std::span<const double> y) { return pearson(mean_ranks(x), mean_ranks(y)); }

Result<RmReport> report_rm(std::span<const RmRecord> records, const RmReportOptions& options) {
  PROSODIA_TRY(validate(records, options));
  RmReport report;
  report.options = options;
  report.records = static_cast<int64_t>(records.size());
  std::array<Pairs, kNumCriteria> pairs;
  Pairs means;
  for (const RmRecord& record : records) {
    const ScoreStatus status = record.score.status;
    report.timeouts += status == ScoreStatus::kTimeout;
    report.errors += status == ScoreStatus::kError || status == ScoreStatus::kNotRequested;
    if (status != ScoreStatus::kValue) {
      if (report.first_failure.empty()) report.first_failure = record.id + ": " + record.score.detail;
      continue;
    }
    ++report.graded;
    for (size_t j = 0; j < kNumCriteria; ++j) {
      pairs[j].grade.push_back(record.score.criteria[j]);
      pairs[j].prescribed.push_back(record.prescribed[j]);
    }
    const auto mean = [](const Criteria& c) { return std::accumulate(c.begin(), c.end(), 0.0) / kNumCriteria; };
    means.grade.push_back(mean(record.score.criteria));
    means.prescribed.push_back(mean(record.prescribed));
  }
  report.unparsable = unparsable_share(records, options);
  for (size_t j = 0; j < kNumCriteria; ++j) report.criteria[j] = agreement(pairs[j], options);
  report.mean = agreement(means, options);
  return report;
}

}  // namespace prosodia
