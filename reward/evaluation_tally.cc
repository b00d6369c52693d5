#include "reward/evaluation_tally.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "reward/rules.h"

namespace prosodia {
namespace {

double ratio(double numerator, int64_t denominator) {
  return denominator ? numerator / static_cast<double>(denominator) : std::numeric_limits<double>::quiet_NaN();
}

Status check_options(const EvalOptions& options) {
  if (options.bootstrap_samples != 0 && options.bootstrap_samples < 100) {
    return fail(ErrorCode::kUsage, "bootstrap_samples: expected 0 (no intervals) or at least 100, got {}",
                options.bootstrap_samples);
  }
  if (!(options.confidence > 0 && options.confidence < 1)) {
    return fail(ErrorCode::kUsage, "confidence: expected a number between 0 and 1, got {}", options.confidence);
  }
  return {};
}

Status check_record(const EvalRecord& record) {
  if (record.criteria) {
    if (const auto score = checked_score(*record.criteria); score.status != ScoreStatus::kValue) {
      return fail(ErrorCode::kInvalidInput, "record '{}': {}", record.id, score.detail);
    }
  }
  if (record.true_claims < 0 || record.true_claims > record.checkable_claims || record.recalled_attributes < 0 ||
      record.recalled_attributes > record.measured_attributes) {
    return fail(ErrorCode::kInvalidInput,
                "record '{}': {} of {} claims true, {} of {} attributes recalled: expected counts >= 0, the first of "
                "each pair at most the second",
                record.id, record.true_claims, record.checkable_claims, record.recalled_attributes,
                record.measured_attributes);
  }
  return {};
}

}  // namespace

Result<std::vector<IndexedRecord>> index_records(std::span<const EvalRecord> records, EvalOptions& options) {
  PROSODIA_TRY(check_options(options));
  if (records.empty()) return fail(ErrorCode::kInvalidInput, "nothing to evaluate: no records");
  if (options.labels.empty()) {
    std::set<std::string> seen;
    for (const EvalRecord& record : records) seen.insert(normalize_answer(record.label));
    options.labels.assign(seen.begin(), seen.end());
  }
  std::map<std::string, int> index;
  for (const std::string& label : options.labels) {
    const std::string key = normalize_answer(label);
    if (key.empty() || !index.emplace(key, static_cast<int>(index.size())).second) {
      return fail(ErrorCode::kUsage, "labels: '{}' is blank or there twice", label);
    }
  }
  std::vector<IndexedRecord> indexed;
  indexed.reserve(records.size());
  for (const EvalRecord& record : records) {
    PROSODIA_TRY(check_record(record));
    const auto label = index.find(normalize_answer(record.label));
    if (label == index.end()) {
      return fail(ErrorCode::kInvalidInput, "record '{}': its label '{}' is none of the {} labels (the first is '{}')",
                  record.id, record.label, options.labels.size(), options.labels.front());
    }
    const auto prediction = index.find(normalize_answer(record.prediction));
    indexed.push_back(
        {label->second, prediction == index.end() ? static_cast<int>(index.size()) : prediction->second, &record});
  }
  return indexed;
}

Tally::Tally(size_t num_labels) : num_labels_(num_labels), confusion_(num_labels * (num_labels + 1)) {}

void Tally::clear() {
  std::fill(confusion_.begin(), confusion_.end(), 0);
  records_ = format_ = graded_ = checkable_ = true_claims_ = measured_ = recalled_ = 0;
  criteria_sum_ = {};
}

void Tally::add(const IndexedRecord& indexed) {
  const EvalRecord& record = *indexed.record;
  ++confusion_[index(indexed.label, indexed.prediction)];
  ++records_;
  format_ += record.format;
  if (record.criteria) {
    ++graded_;
    for (size_t j = 0; j < kNumCriteria; ++j) criteria_sum_[j] += (*record.criteria)[j];
  }
  checkable_ += record.checkable_claims;
  true_claims_ += record.true_claims;
  measured_ += record.measured_attributes;
  recalled_ += record.recalled_attributes;
}

int64_t Tally::support(int label) const {
  int64_t sum = 0;
  for (size_t p = 0; p <= num_labels_; ++p) sum += count(label, static_cast<int>(p));
  return sum;
}

int64_t Tally::predicted(int label) const {
  int64_t sum = 0;
  for (size_t l = 0; l < num_labels_; ++l) sum += count(static_cast<int>(l), label);
  return sum;
}

void Tally::metrics(std::vector<double>& out) const {
  out.assign(kFirstLabel + 3 * num_labels_, std::numeric_limits<double>::quiet_NaN());
  int64_t correct = 0, supported = 0;
  double recall_sum = 0, f1_sum = 0;
  for (size_t l = 0; l < num_labels_; ++l) {
    const int label = static_cast<int>(l);
    const int64_t hits = count(label, label), support_l = support(label), predicted_l = predicted(label);
    correct += hits;
    double* own = &out[kFirstLabel + 3 * l];
    own[0] = ratio(static_cast<double>(hits), support_l);
    own[1] = ratio(static_cast<double>(hits), predicted_l);
    if (!support_l) continue;
    own[2] = 2 * static_cast<double>(hits) / static_cast<double>(support_l + predicted_l);
    ++supported;
    recall_sum += own[0];
    f1_sum += own[2];
  }
  out[kAccuracy] = ratio(static_cast<double>(correct), records_);
  out[kUar] = ratio(recall_sum, supported);
  out[kMacroF1] = ratio(f1_sum, supported);
  out[kFormat] = ratio(static_cast<double>(format_), records_);
  double mean = 0;
  for (size_t j = 0; j < kNumCriteria; ++j) {
    out[kFirstCriterion + j] = ratio(criteria_sum_[j], graded_);
    mean += out[kFirstCriterion + j] / kNumCriteria;
  }
  out[kCriteriaMean] = mean;
  out[kFaithPrecision] = ratio(static_cast<double>(true_claims_), checkable_);
  out[kFaithRecall] = ratio(static_cast<double>(recalled_), measured_);
}

}  // namespace prosodia
