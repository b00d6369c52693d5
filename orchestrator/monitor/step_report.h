// What the coordinator tells the monitor once per optimizer step, and the names of the metrics in it.
//
// Plain data, no behaviour. Names are TRL's wherever TRL has the metric (same definition, so curves overlay); ours only
// for what TRL lacks. The steps count as TRL's global_step: 1 is the first optimizer step's end.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace prosodia {

namespace metric {
// Rewards: response_metrics.h computes these from the step's responses.
inline constexpr const char* kReward = "reward";                           // mean total reward
inline constexpr const char* kRewardStd = "reward_std";                    // over all responses, ddof 1
inline constexpr const char* kFracRewardZeroStd = "frac_reward_zero_std";  // groups without a learning signal
inline constexpr const char* kFormat = "rewards/format/mean";              // R_f
inline constexpr const char* kAccuracy = "rewards/accuracy/mean";          // R_o
inline constexpr const char* kReasoning = "rewards/reasoning/mean";        // R_t, responses that have one
inline constexpr const char* kFaithfulness = "rewards/faithfulness/mean";  // acoustic faithfulness
inline constexpr const char* kTrust = "reward/trust";                      // tau, mean over groups
inline constexpr const char* kGate = "reward/gate";                        // progressive gate, 0..1
inline constexpr const char* kMeanLength = "completions/mean_length";      // tokens
inline constexpr const char* kClippedRatio = "completions/clipped_ratio";  // cut by max_completion_length
// From the learner.
inline constexpr const char* kLoss = "loss";
inline constexpr const char* kKl = "kl";
inline constexpr const char* kEntropy = "entropy";
inline constexpr const char* kGradNorm = "grad_norm";
inline constexpr const char* kLearningRate = "learning_rate";
inline constexpr const char* kClipRatio = "clip_ratio/region_mean";
inline constexpr const char* kLogpDifference = "sampling/sampling_logp_difference/mean";
inline constexpr const char* kLogpDifferenceMax = "sampling/sampling_logp_difference/max";
// From the coordinator.
inline constexpr const char* kStepTime = "step_time";    // seconds
inline constexpr const char* kNumTokens = "num_tokens";  // prompts and completions since the run's beginning
// Step time / wall time since the first step, over all restarts; effective_training.h.
inline constexpr const char* kEffectiveTraining = "ft/effective_training_ratio";
inline constexpr const char* kTokensPerSecond = "tokens_per_second";  // sampled tokens / step time
}  // namespace metric

// The four criteria of R_t, in the order of SampledResponse::criteria.
inline constexpr std::array<const char*, 4> kCriterionNames = {"factual_alignment", "interpretative_quality",
                                                               "caption_completeness", "fluency_clarity"};

// One response with everything it was judged by.
struct SampledResponse {
  uint64_t group_id = 0;
  uint32_t sample_index = 0;  // within the group
  std::string id;             // the dataset row's id
  std::string prompt;         // the last user turn, for people
  std::string audio;          // references as in the dataset, space-separated
  std::string solution;
  std::string response;
  std::string finish_reason;  // "stop" or "length"
  uint64_t num_tokens = 0;
  bool present = true;  // false: masked from the loss, reasoning_status says why
  double format = 0, accuracy = 0;
  std::string reasoning_status;      // "value", "timeout", "unparsable", "error"; "" = not asked (the gate is closed)
  std::array<double, 4> criteria{};  // 1..5, when reasoning_status is "value"
  double reasoning = 0;              // R_t in [0.2, 1], when reasoning_status is "value"
  double faithfulness = 0;           // [0, 1]
  bool has_faithfulness = false;     // the row had measured prosody and the response claims about it
  double trust = 0;                  // tau of the group
  double gate = 0;
  double total = 0;  // R
  double advantage = 0;
};

struct StepReport {
  uint64_t step = 0;                            // optimizer steps finished, 1…
  uint64_t total_steps = 0;                     // of the whole run; 0 = unknown
  double wall_time = 0;                         // Unix seconds, from the caller's clock
  std::map<std::string, double> metrics;        // by the names above
  std::map<std::string, double> phase_seconds;  // "rollout", "reward", "train", "weights", "checkpoint", …: wall time
  std::vector<SampledResponse> samples;         // all responses of the step, or as many as are to be shown
};

}  // namespace prosodia
