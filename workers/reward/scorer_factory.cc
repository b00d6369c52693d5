#include "workers/reward/scorer_factory.h"

#include <fmt/ranges.h>

#include "data/base/check.h"
#include "reward/acoustic_scorer.h"
#include "reward/mean_scorer.h"

namespace prosodia {

void ScorerFactory::add(std::string name, Maker maker) {
  PROSODIA_CHECK(!name.empty() && name != "mean" && maker, "scorer '{}'", name);
  makers_[std::move(name)] = std::move(maker);
}

std::vector<std::string> ScorerFactory::names() const {
  std::vector<std::string> names;
  for (const auto& [name, maker] : makers_) names.push_back(name);
  if (names.size() >= 2) names.insert(std::lower_bound(names.begin(), names.end(), "mean"), "mean");
  return names;
}

Result<std::unique_ptr<ReasoningScorer>> ScorerFactory::make(std::string_view name) const {
  if (const auto found = makers_.find(name); found != makers_.end()) return found->second();
  if (name != "mean" || makers_.size() < 2) {
    return fail(ErrorCode::kUsage, "reasoning_scorer: '{}' is not available here; expected one of: {}", name,
                fmt::join(names(), ", "));
  }
  std::vector<std::unique_ptr<ReasoningScorer>> scorers;
  for (const auto& [each, maker] : makers_) {
    auto scorer = maker();
    if (!scorer) return wrap(scorer.error(), "while making the scorer " + each);
    scorers.push_back(std::move(*scorer));
  }
  return std::make_unique<MeanScorer>(std::move(scorers));
}

ScorerFactory standard_scorers() {
  ScorerFactory factory;
  factory.add("acoustic", [] { return Result<std::unique_ptr<ReasoningScorer>>(std::make_unique<AcousticScorer>()); });
  return factory;
}

}  // namespace prosodia
