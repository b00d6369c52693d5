// The sums that every metric of evaluation.h is a function of; for evaluation.cc and compare_runs only. Pure.
#pragma once

#include <span>
#include <vector>

#include "reward/evaluation.h"

namespace prosodia {

// A record with its labels as indices; `prediction` == number of labels: other.
struct IndexedRecord {
  int label = 0, prediction = 0;
  const EvalRecord* record = nullptr;
};

// Checks options and records, fills in options.labels when empty, and indexes. Errors as evaluate().
Result<std::vector<IndexedRecord>> index_records(std::span<const EvalRecord> records, EvalOptions& options);

class Tally {
 public:
  explicit Tally(size_t num_labels);
  void clear();
  void add(const IndexedRecord& record);

  // Scalar metrics, in the order of Metric; then recall, precision and f1 of each label. NaN where undefined.
  enum Metric : size_t {
    kAccuracy,
    kUar,
    kMacroF1,
    kFormat,
    kFirstCriterion,
    kCriteriaMean = kFirstCriterion + kNumCriteria,
    kFaithPrecision,
    kFaithRecall,
    kFirstLabel
  };
  void metrics(std::vector<double>& out) const;

  int64_t count(int label, int prediction) const { return confusion_[index(label, prediction)]; }
  int64_t support(int label) const;
  int64_t predicted(int label) const;
  int64_t graded() const { return graded_; }

 private:
  size_t index(int label, int prediction) const {
    return static_cast<size_t>(label) * (num_labels_ + 1) + static_cast<size_t>(prediction);
  }
  size_t num_labels_;
  std::vector<int64_t> confusion_;
  int64_t records_ = 0, format_ = 0, graded_ = 0, checkable_ = 0, true_claims_ = 0, measured_ = 0, recalled_ = 0;
  Criteria criteria_sum_{};
};

}  // namespace prosodia
