#include "reward/evaluation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "reward/bootstrap.h"
#include "reward/evaluation_tally.h"
#include "reward/faithfulness.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// [metric][replicate]
std::vector<std::vector<double>> replicate_metrics(std::span<const IndexedRecord> records, const EvalOptions& options) {
  Tally tally(options.labels.size());
  std::vector<uint32_t> indices;
  std::vector<double> values;
  std::vector<std::vector<double>> result(Tally::kFirstLabel + 3 * options.labels.size());
  for (int replicate = 0; replicate < options.bootstrap_samples; ++replicate) {
    resample(options.seed, static_cast<uint64_t>(replicate), static_cast<uint32_t>(records.size()), indices);
    tally.clear();
    for (const uint32_t i : indices) tally.add(records[i]);
    tally.metrics(values);
    for (size_t m = 0; m < values.size(); ++m) result[m].push_back(values[m]);
  }
  return result;
}

Tally tally_all(std::span<const IndexedRecord> records, size_t num_labels) {
  Tally tally(num_labels);
  for (const IndexedRecord& record : records) tally.add(record);
  return tally;
}

struct Estimates {
  std::vector<double> values;
  std::vector<std::vector<double>> replicates;
  double confidence = 0;
  Estimate operator[](size_t metric) const {
    if (std::isnan(values[metric]) || replicates[metric].empty()) return {values[metric], kNaN, kNaN};
    const Interval interval = percentile_interval(replicates[metric], confidence);
    return {values[metric], interval.low, interval.high};
  }
};

PairedDifference paired(double a, double b, std::span<const double> as, std::span<const double> bs, double confidence) {
  std::vector<double> differences;
  int64_t at_most_zero = 0, at_least_zero = 0;
  for (size_t i = 0; i < as.size(); ++i) {
    const double difference = bs[i] - as[i];
    if (std::isnan(difference)) continue;
    differences.push_back(difference);
    at_most_zero += difference <= 0;
    at_least_zero += difference >= 0;
  }
  const Interval interval = percentile_interval(differences, confidence);
  PairedDifference result{b - a, interval.low, interval.high, kNaN};
  if (!differences.empty()) {
    const auto smaller = static_cast<double>(std::min(at_most_zero, at_least_zero));
    result.p_value = std::min(1.0, 2 * (smaller + 1) / static_cast<double>(differences.size() + 1));
  }
  return result;
}

// Run b's records in the order of run a's; errors name the first record without a partner.
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
  if (!by_id.empty()) {
    return fail(ErrorCode::kInvalidInput, "record '{}' of the second run is not in the first", by_id.begin()->first);
  }
  return matched;
}

}  // namespace

Result<EvalReport> evaluate(std::span<const EvalRecord> records, const EvalOptions& options) {
  EvalReport report;
  report.options = options;
  PROSODIA_ASSIGN(const auto indexed, index_records(records, report.options));
  const size_t num_labels = report.options.labels.size();
  const Tally tally = tally_all(indexed, num_labels);
  Estimates estimates{.replicates = replicate_metrics(indexed, report.options), .confidence = options.confidence};
  tally.metrics(estimates.values);

  report.records = static_cast<int64_t>(records.size());
  report.graded = tally.graded();
  report.accuracy = estimates[Tally::kAccuracy];
  report.unweighted_average_recall = estimates[Tally::kUar];
  report.macro_f1 = estimates[Tally::kMacroF1];
  report.format_rate = estimates[Tally::kFormat];
  for (size_t j = 0; j < kNumCriteria; ++j) report.criteria[j] = estimates[Tally::kFirstCriterion + j];
  report.criteria_mean = estimates[Tally::kCriteriaMean];
  report.faithfulness_precision = estimates[Tally::kFaithPrecision];
  report.faithfulness_recall = estimates[Tally::kFaithRecall];
  for (size_t l = 0; l < num_labels; ++l) {
    const int label = static_cast<int>(l);
    const size_t first = Tally::kFirstLabel + 3 * l;
    report.labels.push_back({report.options.labels[l], tally.support(label), tally.predicted(label),
                             tally.count(label, label), estimates[first], estimates[first + 1], estimates[first + 2]});
    auto& row = report.confusion.emplace_back();
    for (size_t p = 0; p <= num_labels; ++p) row.push_back(tally.count(label, static_cast<int>(p)));
  }
  return report;
}

EvalRecord make_eval_record(std::string id, std::string_view response, std::string_view solution,
                            const ProsodyLevels* measured, const ReasoningScore* score) {
  EvalRecord record;
  record.id = std::move(id);
  record.label = solution;
  record.prediction = extract_answer(response).value_or("");
  record.format = format_reward(response);
  if (score && score->status == ScoreStatus::kValue) record.criteria = score->criteria;
  if (measured) {
    const Faithfulness faithfulness = check_claims(parse_claims(reasoning_text(response)), *measured);
    record.checkable_claims = faithfulness.checkable;
    record.true_claims = faithfulness.true_claims;
    record.measured_attributes = faithfulness.measured_attributes;
    record.recalled_attributes = faithfulness.recalled_attributes;
  }
  return record;
}

Result<PairedReport> compare_runs(std::span<const EvalRecord> a, std::span<const EvalRecord> b,
                                  const EvalOptions& options) {
  PROSODIA_ASSIGN(const auto matched, match_by_id(a, b));
  EvalOptions used = options;
  PROSODIA_ASSIGN(const auto indexed_a, index_records(a, used));
  PROSODIA_ASSIGN(const auto indexed_b, index_records(matched, used));
  const auto replicates_a = replicate_metrics(indexed_a, used), replicates_b = replicate_metrics(indexed_b, used);
  std::vector<double> values_a, values_b;
  tally_all(indexed_a, used.labels.size()).metrics(values_a);
  tally_all(indexed_b, used.labels.size()).metrics(values_b);
  const auto difference = [&](size_t metric) {
    return paired(values_a[metric], values_b[metric], replicates_a[metric], replicates_b[metric], used.confidence);
  };
  PairedReport report;
  report.records = static_cast<int64_t>(a.size());
  report.accuracy = difference(Tally::kAccuracy);
  report.unweighted_average_recall = difference(Tally::kUar);
  report.macro_f1 = difference(Tally::kMacroF1);
  report.format_rate = difference(Tally::kFormat);
  report.criteria_mean = difference(Tally::kCriteriaMean);
  report.faithfulness_precision = difference(Tally::kFaithPrecision);
  report.faithfulness_recall = difference(Tally::kFaithRecall);
  return report;
}

}  // namespace prosodia
