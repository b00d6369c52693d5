#include "reward/mean_scorer.h"

#include <fmt/format.h>

#include "data/base/check.h"

namespace prosodia {

MeanScorer::MeanScorer(std::vector<std::unique_ptr<ReasoningScorer>> scorers) : scorers_(std::move(scorers)) {
  PROSODIA_CHECK(!scorers_.empty(), "a mean of no scorers");
}

std::vector<ReasoningScore> MeanScorer::score(const ScoringRequest& request, std::stop_token stop) {
  std::vector<ReasoningScore> result(request.responses.size(), {ScoreStatus::kValue, {}, {}});
  for (const auto& scorer : scorers_) {
    const std::vector<ReasoningScore> scores = scorer->score(request, stop);
    PROSODIA_CHECK(scores.size() == result.size(), "{} returned {} scores for {} responses", scorer->scorer_name(),
                   scores.size(), result.size());
    for (size_t i = 0; i < result.size(); ++i) {
      if (result[i].status != ScoreStatus::kValue) continue;
      if (scores[i].status != ScoreStatus::kValue) {
        result[i] = {scores[i].status, {}, fmt::format("{}: {}", scorer->scorer_name(), scores[i].detail)};
        continue;
      }
      for (size_t j = 0; j < kNumCriteria; ++j) result[i].criteria[j] += scores[i].criteria[j];
      if (!scores[i].detail.empty()) {
        result[i].detail +=
            fmt::format("{}{}: {}", result[i].detail.empty() ? "" : "; ", scorer->scorer_name(), scores[i].detail);
      }
    }
  }
  for (ReasoningScore& score : result) {
    if (score.status != ScoreStatus::kValue) continue;
    for (double& value : score.criteria) value /= static_cast<double>(scorers_.size());
    score = checked_score(score.criteria, std::move(score.detail));
  }
  return result;
}

}  // namespace prosodia
