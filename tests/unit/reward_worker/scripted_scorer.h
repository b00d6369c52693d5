// A ReasoningScorer for tests whose behaviour is a function; it counts its calls.
#pragma once

#include <atomic>
#include <functional>

#include "reward/reasoning_scorer.h"

namespace prosodia {

class ScriptedScorer : public ReasoningScorer {
 public:
  using Script = std::function<std::vector<ReasoningScore>(const ScoringRequest&, std::stop_token)>;
  explicit ScriptedScorer(Script script) : script_(std::move(script)) {}
  std::vector<ReasoningScore> score(const ScoringRequest& request, std::stop_token stop) override {
    ++calls;
    return script_(request, std::move(stop));
  }
  std::string_view scorer_name() const override { return "scripted"; }
  std::atomic<int> calls = 0;

 private:
  Script script_;
};

inline std::vector<ReasoningScore> threes(const ScoringRequest& request) {
  return std::vector<ReasoningScore>(request.responses.size(), checked_score({3, 3, 3, 3}));
}

}  // namespace prosodia
