#include "orchestrator/monitor/curve_panels.h"

#include "orchestrator/monitor/step_report.h"

namespace prosodia {

const std::vector<Panel>& curve_panels() {
  static const std::vector<Panel> kPanels = {
      {"Reward", {{"total reward", metric::kReward}}, {}, {}},
      {"Accuracy", {{"answers that are right", metric::kAccuracy}}, 0, 1},
      {"Reward components",
       {{"format", metric::kFormat}, {"reasoning", metric::kReasoning}, {"faithfulness", metric::kFaithfulness}},
       0,
       1},
      {"KL to the reference policy", {{"kl", metric::kKl}}, {}, {}},
      {"Reasoning criteria (1 to 5)",
       {{"factual alignment", "rewards/factual_alignment/mean"},
        {"interpretation", "rewards/interpretative_quality/mean"},
        {"completeness", "rewards/caption_completeness/mean"},
        {"fluency", "rewards/fluency_clarity/mean"}},
       1,
       5},
      {"Reasoning by correctness",
       {{"right answers", "rewards/reasoning/mean_correct"}, {"wrong answers", "rewards/reasoning/mean_wrong"}},
       0,
       1},
      {"Trust and gate", {{"trust", metric::kTrust}, {"gate", metric::kGate}}, 0, 1},
      {"Reward spread",
       {{"std of rewards", metric::kRewardStd}, {"groups without signal", metric::kFracRewardZeroStd}},
       0,
       {}},
      {"Completion length (tokens)",
       {{"mean", metric::kMeanLength}, {"longest", "completions/max_length"}, {"shortest", "completions/min_length"}},
       0,
       {}},
      {"Cut off and clipped",
       {{"completions cut off", metric::kClippedRatio}, {"tokens clipped", metric::kClipRatio}},
       0,
       {}},
      {"Entropy", {{"entropy", metric::kEntropy}}, 0, {}},
      {"Loss", {{"loss", metric::kLoss}, {"evaluation", "eval_loss"}}, {}, {}},
      {"Gradient norm", {{"norm", metric::kGradNorm}}, 0, {}},
      {"Learning rate", {{"rate", metric::kLearningRate}}, 0, {}},
      {"Token accuracy", {{"evaluation", "eval_mean_token_accuracy"}}, 0, 1},
      {"Sampler against learner: log-prob difference",
       {{"mean", metric::kLogpDifference}, {"largest", metric::kLogpDifferenceMax}},
       0,
       {}},
      {"Sampled tokens per second", {{"tokens/s", metric::kTokensPerSecond}}, 0, {}},
      {"Staleness (policy versions)",
       {{"of the step", "run/staleness"}, {"largest in the batch", "rollout/staleness_max"}},
       0,
       {}},
      {"Effective training time", {{"ratio", metric::kEffectiveTraining}}, 0, 1},
      {"Accuracy by label", {}, 0, 1, "rewards/accuracy/emotion/"},
      {"Seconds per step", {{"step", metric::kStepTime}}, 0, {}, "timing_s/"},
  };
  return kPanels;
}

}  // namespace prosodia
