// MeanScorer: the mean of several scorers' grades, criterion by criterion (`--reasoning_scorer mean`).
//
// A response has a value only when every scorer gave one: a mean over whoever happened to answer would change its
// meaning from response to response inside a group. Otherwise it carries the first failure and says whose it was.
#pragma once

#include <memory>
#include <vector>

#include "reward/reasoning_scorer.h"

namespace prosodia {

// Thread rule: as its scorers'; they are asked one after the other.
class MeanScorer : public ReasoningScorer {
 public:
  explicit MeanScorer(std::vector<std::unique_ptr<ReasoningScorer>> scorers);  // at least one
  std::vector<ReasoningScore> score(const ScoringRequest& request, std::stop_token stop) override;
  std::string_view scorer_name() const override { return "mean"; }

 private:
  std::vector<std::unique_ptr<ReasoningScorer>> scorers_;
};

}  // namespace prosodia
