#include "orchestrator/monitor/metric_table.h"

#include <fmt/format.h>

namespace prosodia {
namespace {

constexpr std::string_view kScored = "the gate is open and a response has a reasoning score";
constexpr std::string_view kFaithful = "the row has measured prosody and a response makes claims about it";
constexpr std::string_view kBoth = "the step has right (wrong) answers with this component";
constexpr std::string_view kOnEvent = "it has happened since this coordinator process started";

constexpr MetricInfo kTable[] = {
    // --- rewards
    {"reward", "score", "mean total reward R of the responses trained on", "responses", "a response has a reward",
     "critic/rewards/mean", "reward_mean"},
    {"reward_std", "score", "standard deviation of R over the step's responses, ddof 1", "responses",
     "a response has a reward", "", "reward_std"},
    {"frac_reward_zero_std", "ratio", "groups whose rewards are all equal: no learning signal", "responses", "", "",
     "reward_zero_std_groups_ratio"},
    {"rewards/format/mean", "ratio", "R_f: responses that are <think>…</think><answer>…</answer> and nothing else",
     "responses", "", "", "reward_component_mean", "component=\"format\""},
    {"rewards/format/std", "ratio", "its standard deviation", "responses", ""},
    {"rewards/accuracy/mean", "ratio", "R_o: responses whose answer equals the label", "responses", "", "",
     "reward_component_mean", "component=\"accuracy\""},
    {"rewards/accuracy/std", "ratio", "its standard deviation", "responses", ""},
    {"rewards/accuracy/emotion/<label>", "ratio", "R_o of the rows with this label", "responses",
     "at most 32 labels in the step"},
    {"rewards/reasoning/mean", "ratio", "R_t: weighted mean of the four criteria / 5", "responses", kScored, "",
     "reward_component_mean", "component=\"reasoning\""},
    {"rewards/reasoning/std", "ratio", "its standard deviation", "responses", kScored},
    {"rewards/faithfulness/mean", "ratio", "claims about the voice in <think> that the signal bears out", "responses",
     kFaithful, "", "reward_component_mean", "component=\"faithfulness\""},
    {"rewards/faithfulness/std", "ratio", "its standard deviation", "responses", kFaithful},
    {"rewards/factual_alignment/mean", "score 1–5", "criterion 1 of R_t", "responses", kScored, "", "criterion_mean",
     "criterion=\"factual_alignment\""},
    {"rewards/interpretative_quality/mean", "score 1–5", "criterion 2 of R_t", "responses", kScored, "",
     "criterion_mean", "criterion=\"interpretative_quality\""},
    {"rewards/caption_completeness/mean", "score 1–5", "criterion 3 of R_t", "responses", kScored, "", "criterion_mean",
     "criterion=\"caption_completeness\""},
    {"rewards/fluency_clarity/mean", "score 1–5", "criterion 4 of R_t", "responses", kScored, "", "criterion_mean",
     "criterion=\"fluency_clarity\""},
    {"rewards/<criterion>/std", "score 1–5", "a criterion's standard deviation", "responses", kScored},
    {"rewards/<component>/mean_correct", "as the component", "a component's mean among right answers", "responses",
     kBoth},
    {"rewards/<component>/mean_wrong", "as the component", "a component's mean among wrong answers", "responses",
     kBoth},
    {"reward/trust", "ratio", "tau, mean over groups with reasoning scores", "responses", kScored, "", "trust_ratio"},
    {"reward/gate", "ratio", "the progressive gate: share of R_t that counts", "coordinator", "", "", "gate_ratio"},
    {"reward/unscored", "responses", "responses that no reward worker could judge", "coordinator", ""},
    {"reward/frac_missing", "ratio", "responses left out of the loss, their reasoning score did not come", "responses",
     "", "", "responses_missing_ratio"},
    {"reward/missing_<reason>", "responses", "the same, counted by reason (timeout, unparsable, error)", "responses",
     "a reasoning score did not come"},
    // --- responses
    {"completions/mean_length", "tokens", "mean length of a response", "responses", "", "response_length/mean",
     "completion_length_tokens", "stat=\"mean\""},
    {"completions/min_length", "tokens", "shortest response", "responses", "", "response_length/min",
     "completion_length_tokens", "stat=\"min\""},
    {"completions/max_length", "tokens", "longest response", "responses", "", "response_length/max",
     "completion_length_tokens", "stat=\"max\""},
    {"completions/mean_terminated_length", "tokens", "mean length of responses that ended by themselves; 0 when none",
     "responses", ""},
    {"completions/min_terminated_length", "tokens", "the shortest of these", "responses", ""},
    {"completions/max_terminated_length", "tokens", "the longest of these", "responses", ""},
    {"completions/clipped_ratio", "ratio", "responses cut off at max_completion_length", "responses", "",
     "response_length/clip_ratio", "completions_cut_off_ratio"},
    // --- learner
    {"loss", "nats", "the GRPO loss with its KL term (verl's pg_loss is without)", "learner", "", "", "loss"},
    {"kl", "nats/token", "k3 estimate of the KL divergence to the reference model", "learner", "beta > 0",
     "actor/kl_loss", "kl_nats"},
    {"entropy", "nats/token", "entropy of the policy at the sampled positions", "learner", "", "actor/entropy",
     "entropy_nats"},
    {"grad_norm", "1", "global gradient norm before clipping", "learner", "", "actor/grad_norm", "gradient_norm"},
    {"learning_rate", "1", "learning rate of the step", "learner", "", "actor/lr", "learning_rate"},
    {"clip_ratio/region_mean", "ratio", "tokens whose probability ratio is clipped, either side", "learner", "",
     "actor/pg_clipfrac", "clipped_tokens_ratio"},
    {"clip_ratio/low_mean", "ratio", "tokens clipped at 1 - epsilon", "learner", ""},
    {"clip_ratio/low_min", "ratio", "its smallest value in one response", "learner", ""},
    {"clip_ratio/high_mean", "ratio", "tokens clipped at 1 + epsilon_high", "learner", ""},
    {"clip_ratio/high_max", "ratio", "its largest value in one response", "learner", ""},
    {"sampling/sampling_logp_difference/mean", "nats",
     "distance of sampler's and learner's log-probability, mean over tokens", "learner", "", "",
     "logprob_difference_nats", "stat=\"mean\""},
    {"sampling/sampling_logp_difference/max", "nats", "the same, largest; at most 1e-5 on CPU in fp32 at lag 0",
     "learner", "", "", "logprob_difference_nats", "stat=\"max\""},
    {"sampling/importance_sampling_ratio/min", "1", "probability ratio of learner to sampler, smallest", "learner", ""},
    {"sampling/importance_sampling_ratio/mean", "1", "the same, mean over tokens", "learner", ""},
    {"sampling/importance_sampling_ratio/max", "1", "the same, largest", "learner", ""},
    {"learner/missing_rewards", "responses", "responses the learner masked because they have no reward", "learner", ""},
    {"learner/singleton_groups", "groups", "groups with one response left: advantage 0", "learner", ""},
    {"learner/rank0_packed_tokens", "tokens", "tokens that rank 0 ran through the model, prompts once a group",
     "learner", ""},
    {"learner/update_seconds", "seconds", "forward, backward and optimizer of the step", "learner", "", "",
     "learner_update_seconds"},
    {"rollout/staleness_max", "steps", "policy versions between sampling and training, largest", "learner", ""},
    // --- coordinator
    {"step_time", "seconds", "wall time since the step before ended", "coordinator", "", "timing_s/step",
     "step_seconds"},
    {"timing_s/rollout", "seconds", "first rollout lease to last group sampled", "coordinator", "", "timing_s/gen",
     "step_phase_seconds", "phase=\"rollout\""},
    {"timing_s/reward", "seconds", "first reward lease to last group scored", "coordinator", "", "timing_s/reward",
     "step_phase_seconds", "phase=\"reward\""},
    {"timing_s/train", "seconds", "batch sent to step done", "coordinator", "", "timing_s/update_actor",
     "step_phase_seconds", "phase=\"train\""},
    {"timing_s/wait", "seconds", "learner idle before the batch was ready", "coordinator", "", "", "step_phase_seconds",
     "phase=\"wait\""},
    {"num_tokens", "tokens", "prompt and completion tokens trained on since the run's beginning", "coordinator", ""},
    {"tokens_per_second", "tokens/second", "sampled tokens / step_time", "coordinator", "step_time > 0", "",
     "sampled_tokens_per_second"},
    {"run/staleness", "steps", "policy versions between sampling and training: min(step, lag)", "coordinator", "",
     "training/off_policy/trajectory_staleness/mean", "staleness_steps"},
    {"workers/<role>", "workers", "live at the end of the step (rollout, reward, learner)", "coordinator", ""},
    {"ft/effective_training_ratio", "ratio", "step time / wall time since the first step, over all restarts", "monitor",
     "", "", "effective_training_ratio"},
    {"ft/journal_sync_seconds", "seconds", "mean fdatasync time of the journal during the step", "coordinator",
     "the journal was synced", "", "journal_fsync_seconds"},
    // --- faults: counters since this coordinator process started
    {"ft/leases_expired", "leases", "leases without progress for lease_timeout_s", "coordinator", ""},
    {"ft/leases_lost", "leases", "tasks that never reached their worker", "coordinator", ""},
    {"ft/leases_revoked", "leases", "leases of workers that died or left", "coordinator", ""},
    {"ft/leases_cancelled", "messages", "workers told to drop work that is not wanted any more", "coordinator", ""},
    {"ft/workers_lost", "workers", "silent for three heartbeats", "coordinator", ""},
    {"ft/workers_wedged", "workers", "alive without progress; told to exit", "coordinator", ""},
    {"ft/workers_missing", "workers", "expected, but no Hello for learner_timeout_s", "coordinator", ""},
    {"ft/learners_stuck", "learners", "learner groups replaced for want of progress", "coordinator", ""},
    {"ft/tasks_failed", "tasks", "tasks that a worker reported as failed", "coordinator", ""},
    {"ft/weights_unreachable", "tasks", "… because it could not fetch the weights", "coordinator", ""},
    {"ft/steps_replayed", "steps", "steps trained again after the learner restarted", "coordinator", ""},
    {"ft/bad_frames", "frames", "frames that could not be decoded", "coordinator", ""},
    {"ft/foreign_role", "frames", "Hellos and frames of a role that the sender's key is not for", "coordinator", ""},
    {"ft/results_rejected", "results", "results refused, all reasons", "coordinator", ""},
    {"ft/results_rejected/<reason>", "results", "results refused for this reason", "coordinator", kOnEvent},
    {"ft/<lifecycle>/<reason>", "transitions", "state changes with this reason (orchestrator/core/lifecycle.h)",
     "coordinator", kOnEvent},
    {"ft/<lifecycle>/refused/<transition…>", "events", "events that a peer caused in a state where it may not",
     "coordinator", kOnEvent},
    // --- sft and train-rm
    {"epoch", "epochs", "passes over the training set", "sft", "sft, train-rm"},
    {"stage", "stages", "which of the stages, 1 for the first", "sft", "sft with --stages"},
    {"num_input_tokens_seen", "tokens", "the same as num_tokens, under transformers' name", "sft", "sft, train-rm"},
    {"eval_loss", "nats/token", "mean of -log p over the kept tokens of --eval_dataset", "sft",
     "sft with --eval_dataset"},
    {"eval_mean_token_accuracy", "ratio", "kept tokens of --eval_dataset that are the model's first choice", "sft",
     "sft with --eval_dataset"},
    {"eval_<measure>", "as named", "other measures of an evaluation, as transformers names them", "sft",
     "sft with --eval_dataset"},
};

// "<x>" matches one part of a name, "<x…>" the rest.
bool matches(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    if (pattern.front() != '<') {
      if (name.empty() || name.front() != pattern.front()) return false;
      pattern.remove_prefix(1);
      name.remove_prefix(1);
      continue;
    }
    const size_t end = pattern.find('>');
    const bool rest = pattern.substr(0, end).ends_with("…");
    const size_t taken = rest ? name.size() : std::min(name.find('/'), name.size());
    if (taken == 0) return false;
    pattern.remove_prefix(end + 1);
    name.remove_prefix(taken);
  }
  return name.empty();
}

}  // namespace

std::span<const MetricInfo> metric_table() { return kTable; }

const MetricInfo* find_metric(std::string_view name) {
  for (const MetricInfo& metric : kTable)  // exact names first: "rewards/format/std" also fits a pattern
    if (metric.name == name) return &metric;
  for (const MetricInfo& metric : kTable)
    if (matches(metric.name, name)) return &metric;
  return nullptr;
}

std::string shown_name(std::string_view name, MetricNames names) {
  const MetricInfo* metric = names == MetricNames::kVerl ? find_metric(name) : nullptr;
  return std::string(metric == nullptr || metric->verl.empty() ? name : metric->verl);
}

std::map<std::string, double> shown_values(const StepReport& report, MetricNames names) {
  std::map<std::string, double> values;
  for (const auto& [name, value] : report.metrics) values[shown_name(name, names)] = value;
  for (const auto& [phase, seconds] : report.phase_seconds) values[shown_name("timing_s/" + phase, names)] = seconds;
  return values;
}

std::string metrics_markdown() {
  std::string out =
      "# Metrics\n\n"
      "Generated from `metric_table.cc` by `prosodia report --list_metrics`; a test keeps both the same.\n\n"
      "Where they are: `metrics.jsonl` (these names, always), TensorBoard and `report --csv` (these names, or verl's "
      "with\n"
      "`--metric_names verl`), and those with a Prometheus family in `GET /metrics` (`--metrics_port`), behind\n"
      "`prosodia_`. The x-axis is the optimizer step. A metric without a value in a step is left out, never 0. Names "
      "are\n"
      "TRL's with TRL's definitions wherever TRL has the metric.\n\n"
      "| name | unit | meaning | from | when | verl | Prometheus |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const MetricInfo& metric : kTable) {
    const std::string label = metric.label.empty() ? "" : fmt::format("{{{}}}", metric.label);
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} | {} |\n", metric.name, metric.unit, metric.meaning,
                       metric.source, metric.when.empty() ? "every step" : metric.when,
                       metric.verl.empty() ? "" : fmt::format("`{}`", metric.verl),
                       metric.family.empty() ? "" : fmt::format("`{}{}`", metric.family, label));
  }
  return out;
}

}  // namespace prosodia
