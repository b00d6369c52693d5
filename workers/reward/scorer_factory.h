// Which reasoning scorers exist, by the words of --reasoning_scorer. Built where a command is wired up: start from
// standard_scorers(), add what needs more than options (the reward model), then make one.
//
// Thread rule: one thread until built; make() is const. Failure rule: an unknown word is kUsage naming the known ones.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "reward/reasoning_scorer.h"

namespace prosodia {

class ScorerFactory {
 public:
  using Maker = std::function<Result<std::unique_ptr<ReasoningScorer>>()>;
  void add(std::string name, Maker maker);  // replaces an earlier one of that name; "mean" is taken
  // "mean" is the mean over every scorer added; it needs two.
  Result<std::unique_ptr<ReasoningScorer>> make(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted; "mean" among them when it can be made

 private:
  std::map<std::string, Maker, std::less<>> makers_;
};

ScorerFactory standard_scorers();  // acoustic

}  // namespace prosodia
