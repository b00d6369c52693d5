// TimedScorer: a ReasoningScorer on its own thread, so that a slow or stuck one costs a group its scores and nothing
// else: the caller always gets its answer within the limit, as values, timeouts or errors.
//
//   limit passed            stop is requested; what the scorer returns within `grace` is kept, else kTimeout for all
//   still busy with an      the wait for it counts against the limit; kTimeout, saying so
//   earlier, given-up group
//   the scorer throws, or returns the wrong number of scores, or grades out of range: kError or kUnparsable
//
// Thread rule: score() from one thread. A scorer that never returns keeps its thread until the process ends (the
// destructor waits `grace`, then lets go; the thread owns what it uses).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "reward/reasoning_scorer.h"

namespace prosodia {

struct TimedScorerOptions {
  std::chrono::milliseconds limit{60'000};  // for one group; > 0
  std::chrono::milliseconds grace{500};     // after stop was requested
  std::chrono::milliseconds tick{100};      // how often `waiting` is called
};

class TimedScorer {
 public:
  TimedScorer(std::shared_ptr<ReasoningScorer> scorer, TimedScorerOptions options);
  ~TimedScorer();
  TimedScorer(const TimedScorer&) = delete;
  TimedScorer& operator=(const TimedScorer&) = delete;

  // One score for each response. `waiting` is called every tick while the scorer works (report progress there); when it
  // returns false the group is given up as at the limit.
  std::vector<ReasoningScore> score(nlohmann::json row, std::vector<std::string> responses,
                                    const std::function<bool()>& waiting);

  // The last group got its timeouts because an earlier, given-up one occupied the scorer for the whole limit: nothing
  // but a new process will free it.
  bool is_stuck() const { return stuck_; }

 private:
  struct Job;
  struct State;
  static void run(std::shared_ptr<State> state);
  TimedScorerOptions options_;
  std::shared_ptr<State> state_;
  bool stuck_ = false;
};

}  // namespace prosodia
