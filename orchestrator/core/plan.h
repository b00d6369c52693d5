// Plan: which prompt, which seed and which policy version each group has. A pure function of the options, so nothing of
// it is journaled, and any number of workers and restarts see the same plan.
//
// Symbols: t = step, s = slot in [0, P), P = prompts_per_step, N = dataset rows, L = lag.
//   GroupId(t, s) = t * P + s          the i-th group of the run, i = GroupId
//   row(i)  = permutation of epoch floor(i / N), applied to i mod N     (Fisher-Yates on Philox, keyed by seed and
//   epoch) seed(i) = mix_seed(mix_seed(run seed, t), s) version(t) = max(0, t - L)         exactly: the
//   deterministic-staleness contract
//
// Thread rule: single thread (it caches permutations). Failure rule: none; arguments out of range abort.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "data/base/ids.h"

namespace prosodia::core {

struct PlanOptions {
  uint64_t seed = 0;
  uint64_t num_rows = 0;          // > 0
  uint64_t total_steps = 0;       // > 0
  uint32_t prompts_per_step = 1;  // P > 0
  uint32_t num_generations = 8;   // K > 0
  uint32_t lag = 0;               // L
  bool shuffle = true;            // false: dataset order in every epoch
};

class Plan {
 public:
  explicit Plan(const PlanOptions& options);
  const PlanOptions& options() const { return options_; }

  GroupId group(StepId step, uint32_t slot) const;
  StepId step_of(GroupId group) const { return StepId(group.value / options_.prompts_per_step); }
  uint32_t slot_of(GroupId group) const { return static_cast<uint32_t>(group.value % options_.prompts_per_step); }
  uint64_t row_of(GroupId group);
  uint64_t seed_of(GroupId group) const;
  PolicyVersion version_of(StepId step) const;
  // Steps whose groups may be sampled once versions up to `newest` exist: all t < the returned step.
  StepId window_end(PolicyVersion newest) const;

 private:
  const std::vector<uint32_t>& permutation(uint64_t epoch);

  PlanOptions options_;
  std::map<uint64_t, std::vector<uint32_t>> permutations_;  // of the epochs in use: at most a few
};

}  // namespace prosodia::core
