// Group-relative advantages, as TRL 1.x computes them: A = (R - mean of the group) / (std + eps), ddof 1.
//
// Called by the learner on a whole step's responses, never on a microbatch: the mean and the std must not depend on how
// the batch is split. Pure; thread-safe. Formula source: GRPO (arXiv 2402.03300), TRL 1.16 `_compute_rewards`.
//
// Differences from TRL, on purpose: a response that is not present (its score is missing) takes part in no mean and no
// std and gets 0; groups may have different sizes; a group with one present response gets 0, not a NaN and not its raw
// reward.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

enum class ScaleRewards {
  kGroup,  // divide by the std of the response's own group
  kBatch,  // divide by the std of all present responses of the batch (the mean stays the group's)
  kNone,   // do not divide (Dr. GRPO)
};
std::string_view name(ScaleRewards scale);  // "group", "batch", "none": the words of --scale_rewards
Result<ScaleRewards> parse_scale_rewards(std::string_view text);  // kUsage, naming the three words

struct AdvantageOptions {
  ScaleRewards scale_rewards = ScaleRewards::kGroup;
  double eps = 1e-4;  // added to the std; > 0
};

// One advantage for each reward. The three spans have one length; group_of[i] names i's group (any integers, in any
// order). rewards[i] is not read where present[i] == 0, so it may be NaN there; elsewhere it must be finite. Both are
// the caller's invariants and abort when broken.
std::vector<double> advantages(std::span<const double> rewards, std::span<const uint8_t> present,
                               std::span<const int> group_of, const AdvantageOptions& options = {});

// What TRL logs about a step's rewards, over the present responses. NaN where nothing is present.
struct RewardStats {
  double mean = 0;               // `reward`
  double std = 0;                // `reward_std`: ddof 1 over the whole batch; 0 for one response
  double group_std_mean = 0;     // mean over groups of the group's std: ms-swift's `reward_std`
  double frac_zero_std = 0;      // `frac_reward_zero_std`: share of groups (with a present response) whose std is 0
  int64_t present = 0;           // responses that took part
  int64_t singleton_groups = 0;  // groups with exactly one present response: they teach nothing
};
RewardStats reward_stats(std::span<const double> rewards, std::span<const uint8_t> present,
                         std::span<const int> group_of);

}  // namespace prosodia
