#include "reward/evaluation_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "data/base/philox.h"
#include "reward/bootstrap.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Part {
  EvalOptions options;  // labels filled in
  std::vector<IndexedRecord> records;
};

// Metrics of one part, all its records or a resample of them.
void metrics_of(const Part& part, std::span<const uint32_t> indices, Tally& tally, std::vector<double>& values) {
  tally.clear();
  for (const uint32_t i : indices) tally.add(part.records[i]);
  tally.metrics(values);
}

// Means over the parts, of what is not NaN.
class Mean {
 public:
  void add(const std::vector<double>& values) {
    sums_.resize(values.size());
    counts_.resize(values.size());
    for (size_t m = 0; m < values.size(); ++m) {
      if (std::isnan(values[m])) continue;
      sums_[m] += values[m];
      ++counts_[m];
    }
  }
  std::vector<double> take() {
    for (size_t m = 0; m < sums_.size(); ++m) sums_[m] = counts_[m] ? sums_[m] / counts_[m] : kNaN;
    return std::move(sums_);
  }

 private:
  std::vector<double> sums_;
  std::vector<int> counts_;
};

}  // namespace

Estimate MeasuredRun::estimate(size_t metric, double confidence) const {
  if (std::isnan(values[metric]) || replicates[metric].empty()) return {values[metric], kNaN, kNaN};
  const Interval interval = percentile_interval(replicates[metric], confidence);
  return {values[metric], interval.low, interval.high};
}

Result<MeasuredRun> measure_run(std::vector<std::vector<EvalRecord>> record_parts, const EvalOptions& options) {
  MeasuredRun run{.parts = std::move(record_parts)};
  std::vector<Part> parts;
  for (const auto& records : run.parts) {
    Part part{options, {}};
    PROSODIA_ASSIGN(part.records, index_records(records, part.options));
    parts.push_back(std::move(part));
  }
  const bool single = parts.size() == 1;
  std::vector<uint32_t> indices;
  std::vector<double> values;
  std::vector<Tally> tallies;
  for (const Part& part : parts) tallies.emplace_back(part.options.labels.size());
  const auto mean_over_parts = [&](auto&& draw) {
    Mean mean;
    for (size_t p = 0; p < parts.size(); ++p) {
      draw(p);
      metrics_of(parts[p], indices, tallies[p], values);
      if (!single) values.resize(Tally::kFirstLabel);  // each part has its own labels
      mean.add(values);
    }
    return mean.take();
  };
  run.values = mean_over_parts([&](size_t p) {
    indices.resize(parts[p].records.size());
    for (uint32_t i = 0; i < indices.size(); ++i) indices[i] = i;
  });
  run.replicates.resize(run.values.size());
  for (int replicate = 0; replicate < options.bootstrap_samples; ++replicate) {
    const std::vector<double> sampled = mean_over_parts([&](size_t p) {
      resample(p == 0 ? options.seed : mix_seed(options.seed, p), static_cast<uint64_t>(replicate),
               static_cast<uint32_t>(parts[p].records.size()), indices);
    });
    for (size_t m = 0; m < sampled.size(); ++m) run.replicates[m].push_back(sampled[m]);
  }
  return run;
}

PairedDifference difference(const MeasuredRun& run_a, const MeasuredRun& run_b, size_t metric, double confidence) {
  const auto &as = run_a.replicates[metric], &bs = run_b.replicates[metric];
  std::vector<double> differences;
  int64_t at_most_zero = 0, at_least_zero = 0;
  for (size_t i = 0; i < as.size(); ++i) {
    const double one = bs[i] - as[i];
    if (std::isnan(one)) continue;
    differences.push_back(one);
    at_most_zero += one <= 0;
    at_least_zero += one >= 0;
  }
  const Interval interval = percentile_interval(differences, confidence);
  PairedDifference result{run_b.values[metric] - run_a.values[metric], interval.low, interval.high, kNaN};
  if (!differences.empty()) {
    const auto smaller = static_cast<double>(std::min(at_most_zero, at_least_zero));
    result.p_value = std::min(1.0, 2 * (smaller + 1) / static_cast<double>(differences.size() + 1));
  }
  return result;
}

EvalReport report_of_average(const MeasuredRun& run, const EvalOptions& options) {
  EvalReport report;
  report.options = options;
  const auto estimate = [&](size_t metric) { return run.estimate(metric, options.confidence); };
  for (const auto& records : run.parts) {
    report.records += static_cast<int64_t>(records.size());
    report.graded += std::ranges::count_if(records, [](const EvalRecord& r) { return r.criteria.has_value(); });
  }
  report.accuracy = estimate(Tally::kAccuracy);
  report.unweighted_average_recall = estimate(Tally::kUar);
  report.macro_f1 = estimate(Tally::kMacroF1);
  report.format_rate = estimate(Tally::kFormat);
  for (size_t j = 0; j < kNumCriteria; ++j) report.criteria[j] = estimate(Tally::kFirstCriterion + j);
  report.criteria_mean = estimate(Tally::kCriteriaMean);
  report.faithfulness_precision = estimate(Tally::kFaithPrecision);
  report.faithfulness_recall = estimate(Tally::kFaithRecall);
  return report;
}

Result<std::vector<EvalRecord>> match_by_id(std::span<const EvalRecord> a, std::span<const EvalRecord> b) {
  std::unordered_map<std::string_view, const EvalRecord*> by_id;
  for (const EvalRecord& record : b) {
    if (!by_id.emplace(record.id, &record).second) {
      return fail(ErrorCode::kInvalidInput, "record id '{}' is there twice in the second run", record.id);
    }
  }
  std::vector<EvalRecord> matched;
  for (const EvalRecord& record : a) {
    const auto found = by_id.find(record.id);
    if (found == by_id.end()) {
      return fail(ErrorCode::kInvalidInput,
                  "record '{}' of the first run is not in the second (or is in the first twice): a paired comparison "
                  "needs the same records in both",
                  record.id);
    }
    if (normalize_answer(found->second->label) != normalize_answer(record.label)) {
      return fail(ErrorCode::kInvalidInput, "record '{}' has the label '{}' in the first run and '{}' in the second",
                  record.id, record.label, found->second->label);
    }
    matched.push_back(*found->second);
    by_id.erase(found);
  }
  for (const EvalRecord& record : b)  // the first in order, not in the map's
    if (by_id.contains(record.id))
      return fail(ErrorCode::kInvalidInput, "record '{}' of the second run is not in the first", record.id);
  return matched;
}

}  // namespace prosodia
