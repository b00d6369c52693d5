// The reward of one prompt's group of responses (GRPO-PTR, arXiv 2601.15668):
//
//   R = w_format R_f + w_accuracy R_o + gate * w_reasoning * tau * R_t,     R_t = sum_j w_j g_j / 5
//
// Called by the reward worker (online), `replay` and tests. Pure; thread-safe.
//
// Where R_t counts (gate > 0 and w_reasoning > 0) a response without one leaves the group: present = false, total =
// NaN, a reason for the counters. It is never scored 0. Where R_t does not count, nobody leaves. "No value" is NaN in
// every double of this file, so that a reader who forgets `present` gets NaN and not a wrong number.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "reward/reasoning_scorer.h"
#include "reward/trust.h"

namespace prosodia {

inline constexpr double kNoValue = std::numeric_limits<double>::quiet_NaN();

struct RewardWeights {
  double format = 0.3;                        // --format_weight, >= 0
  double accuracy = 1.0;                      // --accuracy_weight, >= 0
  double reasoning = 0.5;                     // --reasoning_weight, >= 0; 0: plain GRPO
  Criteria criteria{0.25, 0.25, 0.25, 0.25};  // --criteria_weights, >= 0, sum 1 (within 1e-6)
};
struct RewardOptions {
  RewardWeights weights;
  TrustOptions trust;
};
Status validate(const RewardWeights& weights);  // kUsage, naming the weight and what it must be
Status validate(const RewardOptions& options);

// What the rules and the signal say about a response, before any judge is asked.
struct RuleReward {
  double format = 0;               // R_f, 0 or 1
  double accuracy = 0;             // R_o, 0 or 1
  double faithfulness = kNoValue;  // faithfulness.h `score`, [0, 1]; NaN where the row has no measured levels
};

enum class AbsenceReason : uint8_t { kNone, kReasoningTimeout, kReasoningUnparsable, kReasoningError };
std::string_view name(AbsenceReason reason);  // "none", "reasoning_timeout", "reasoning_unparsable", "reasoning_error"

struct ResponseReward {
  bool present = true;
  AbsenceReason absence = AbsenceReason::kNone;  // why present is false
  double format = 0, accuracy = 0;               // R_f, R_o; valid even when absent
  ScoreStatus reasoning_status = ScoreStatus::kNotRequested;
  Criteria criteria{kNoValue, kNoValue, kNoValue, kNoValue};  // g_j in [1, 5] when reasoning_status is kValue
  double reasoning = kNoValue;                                // R_t in [0.2, 1] when reasoning_status is kValue
  double faithfulness = kNoValue;
  double total = kNoValue;  // R; NaN when absent
};

struct GroupReward {
  std::vector<ResponseReward> responses;  // in the order given
  double tau = kNoValue;                  // NaN when no response has an R_t
  TrustCase trust_case = TrustCase::kNoScores;
  double gate = 0;  // as given
};

// R_t of four grades.
double reasoning_reward(const Criteria& criteria, const RewardWeights& weights);

// Whether R_t takes part at all: what decides `need_reasoning`.
bool reasoning_counts(double gate, const RewardOptions& options);

// `reasoning` has one entry for each response, or is empty when nobody was asked (then reasoning_counts must be false).
// gate in [0, 1]; options validated. Broken lengths or ranges abort: they are ours.
GroupReward combine_rewards(std::span<const RuleReward> rules, std::span<const ReasoningScore> reasoning, double gate,
                            const RewardOptions& options);

}  // namespace prosodia
