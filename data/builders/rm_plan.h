// Plans reasoning that deserves given grades (rubric.h), with the grades in equal numbers.
//
// Called by: rm_set.cc, tests. Thread rule: single thread. Failure rule: an utterance with fewer than two measured
// attributes cannot be graded and gets no plan.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "data/base/philox.h"
#include "data/builders/reasoning_plan.h"
#include "data/corpus/rm_row.h"

namespace prosodia {

// What is known about the utterance.
struct GradedUtterance {
  ProsodyLevels truth;
  std::string emotion;  // its label, one of the nine
  std::string transcript;
};

struct GradedPlan {
  ReasoningPlan plan;
  std::string answer;
  bool is_right = false;
  RmScores scores{};                      // prescribed
  std::vector<std::string> degradations;  // what was done, for people: "pitch: low -> high", "speed: left out"
};

// Which grades are still needed: for right and wrong answers on their own, so that no grade tells which it is.
class GradeBalance {
 public:
  // The grades 1..5, those given least first, ties at random.
  std::array<int, 5> by_need(bool is_right, size_t criterion, PhiloxStream& stream) const;
  void count(bool is_right, const RmScores& scores);

 private:
  std::array<std::array<std::array<int, 5>, kNumRmScores>, 2> counts_{};
};

// The n-th plan depends on the utterances so far and the stream alone. Gender, and in the varied grammar age, are
// stated now and then where they are known; they count for factual alignment only.
std::optional<GradedPlan> plan_graded(const GradedUtterance& utterance, Grammar grammar, bool is_right,
                                      GradeBalance& balance, PhiloxStream& stream);

}  // namespace prosodia
