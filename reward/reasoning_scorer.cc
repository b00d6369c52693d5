#include "reward/reasoning_scorer.h"

#include <fmt/format.h>

namespace prosodia {

std::string_view name(Criterion criterion) {
  switch (criterion) {
    case Criterion::kFactualAlignment:
      return "factual_alignment";
    case Criterion::kInterpretativeQuality:
      return "interpretative_quality";
    case Criterion::kCaptionCompleteness:
      return "caption_completeness";
    case Criterion::kFluencyStructuralClarity:
      return "fluency_and_structural_clarity";
  }
  return "?";
}

std::string_view name(ScoreStatus status) {
  switch (status) {
    case ScoreStatus::kValue:
      return "value";
    case ScoreStatus::kTimeout:
      return "timeout";
    case ScoreStatus::kUnparsable:
      return "unparsable";
    case ScoreStatus::kError:
      return "error";
    case ScoreStatus::kNotRequested:
      return "not_requested";
  }
  return "?";
}

ReasoningScore checked_score(const Criteria& criteria, std::string detail) {
  for (size_t j = 0; j < kNumCriteria; ++j) {
    if (criteria[j] >= 1 && criteria[j] <= 5) continue;  // false for NaN
    return {ScoreStatus::kUnparsable,
            {},
            fmt::format("{} is {}, expected a number in [1, 5]", name(static_cast<Criterion>(j)), criteria[j])};
  }
  return {ScoreStatus::kValue, criteria, std::move(detail)};
}

}  // namespace prosodia
