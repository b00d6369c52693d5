#include "orchestrator/coordinator/step_reports.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/base/json.h"
#include "orchestrator/monitor/response_metrics.h"

namespace prosodia {

using namespace protocol;

namespace {

// What people and charts need from a dataset row. Rows were checked when they were read; anything missing stays empty.
struct RowView {
  std::string id, prompt, audio, solution;
  bool has_prosody = false;
};

std::string text_of(const nlohmann::json& row, const char* key) {
  const auto found = row.find(key);
  if (found == row.end()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

RowView view_row(const std::string& row_json) {
  RowView view;
  const auto parsed = parse_json_object(row_json, "dataset row");
  if (!parsed) return view;
  const nlohmann::json& row = *parsed;
  view.id = text_of(row, "id");
  view.solution = text_of(row, "solution");
  view.has_prosody = row.contains("prosody");
  if (const auto messages = row.find("messages"); messages != row.end() && messages->is_array()) {
    for (const auto& message : *messages) {
      if (message.is_object() && text_of(message, "role") == "user") view.prompt = text_of(message, "content");
    }
  }
  if (const auto audios = row.find("audios"); audios != row.end() && audios->is_array()) {
    for (const auto& audio : *audios) {
      if (audio.is_string()) view.audio += (view.audio.empty() ? "" : " ") + audio.get<std::string>();
    }
  }
  return view;
}

// (R - mean) / (std + 1e-4) over the present responses: what the learner uses unless scale_rewards says otherwise.
std::vector<double> group_advantages(const RewardResult& reward) {
  double sum = 0, squares = 0;
  size_t count = 0;
  for (const ResponseScore& score : reward.responses) {
    if (score.present) sum += score.total, ++count;
  }
  const double mean = count > 0 ? sum / static_cast<double>(count) : 0;
  for (const ResponseScore& score : reward.responses) {
    if (score.present) squares += (score.total - mean) * (score.total - mean);
  }
  const double deviation = count > 1 ? std::sqrt(squares / static_cast<double>(count - 1)) : 0;
  std::vector<double> out;
  for (const ResponseScore& score : reward.responses) {
    out.push_back(score.present && count > 1 ? (score.total - mean) / (deviation + 1e-4) : 0);
  }
  return out;
}

void add_emotions(std::map<std::string, double>& metrics, const std::vector<SampledResponse>& samples) {
  std::map<std::string, std::pair<double, double>> by_solution;  // sum, count
  for (const SampledResponse& sample : samples) {
    if (sample.solution.empty() || sample.solution.size() > 64) continue;
    auto& [sum, count] = by_solution[sample.solution];
    sum += sample.accuracy;
    ++count;
  }
  constexpr size_t kMaxEmotions = 32;  // an open-ended solution is no label
  if (by_solution.size() > kMaxEmotions) return;
  for (const auto& [solution, entry] : by_solution) {
    metrics["rewards/accuracy/emotion/" + solution] = entry.first / entry.second;
  }
}

void add_counters(std::map<std::string, double>& metrics, const core::Counters& counters) {
  const auto both = [](const uint64_t(&by_kind)[2]) { return static_cast<double>(by_kind[0] + by_kind[1]); };
  metrics["ft/leases_expired"] = both(counters.leases_expired);
  metrics["ft/leases_lost"] = both(counters.leases_lost);
  metrics["ft/leases_revoked"] = both(counters.leases_revoked);
  metrics["ft/workers_lost"] = static_cast<double>(counters.workers_lost);
  metrics["ft/workers_wedged"] = static_cast<double>(counters.workers_wedged);
  metrics["ft/workers_missing"] = static_cast<double>(counters.workers_missing);
  metrics["ft/learners_stuck"] = static_cast<double>(counters.learners_stuck);
  for (const auto& [reason, count] : counters.reasons) metrics["ft/" + reason] = static_cast<double>(count);
  metrics["ft/tasks_failed"] = static_cast<double>(counters.tasks_failed);
  metrics["ft/steps_replayed"] = static_cast<double>(counters.steps_replayed);
  metrics["ft/weights_unreachable"] = static_cast<double>(counters.weights_unreachable);
  metrics["ft/leases_cancelled"] = static_cast<double>(counters.cancels_sent);
  metrics["ft/bad_frames"] = static_cast<double>(counters.bad_frames);
  metrics["ft/foreign_role"] = static_cast<double>(counters.foreign_hellos + counters.foreign_frames);
  double rejected = 0;
  for (int reason = 1; reason < kNumRefusalReasons; ++reason) {
    const auto count = static_cast<double>(counters.results_rejected[reason]);
    rejected += count;
    if (count > 0) metrics[fmt::format("ft/results_rejected/{}", name(static_cast<RefusalReason>(reason)))] = count;
  }
  metrics["ft/results_rejected"] = rejected;
}

}  // namespace

std::vector<SampledResponse> sampled_responses(const BatchGroup& group) {
  std::vector<SampledResponse> samples;
  const RowView row = view_row(group.row_json);
  const std::vector<double> advantages = group_advantages(group.reward);
  for (size_t i = 0; i < group.rollout.completions.size(); ++i) {
    const Completion& completion = group.rollout.completions[i];
    const ResponseScore& score = group.reward.responses[i];
    SampledResponse sample;
    sample.group_id = group.group_id.value;
    sample.sample_index = static_cast<uint32_t>(i);
    sample.id = row.id;
    sample.prompt = row.prompt;
    sample.audio = row.audio;
    sample.solution = row.solution;
    sample.response = completion.text;
    sample.finish_reason = name(completion.finish_reason);
    sample.num_tokens = completion.token_ids.size();
    sample.present = score.present;
    sample.format = score.format;
    sample.accuracy = score.accuracy;
    if (score.reasoning_status != ReasoningStatus::kNotRequested)
      sample.reasoning_status = name(score.reasoning_status);
    sample.criteria = score.criteria;
    sample.reasoning = score.reasoning;
    sample.faithfulness = score.faithfulness;
    sample.has_faithfulness = row.has_prosody && score.claims > 0;
    sample.trust = group.reward.tau;
    sample.gate = group.reward.gate;
    sample.total = score.total;
    sample.advantage = advantages[i];
    samples.push_back(std::move(sample));
  }
  return samples;
}

StepReport make_step_report(const core::RunCore& core, StepId step, const StepReportInputs& inputs) {
  StepReport report;
  report.step = step.value + 1;
  report.total_steps = core.plan().options().total_steps;
  report.wall_time = inputs.wall_time;
  std::vector<SampledResponse> scored;  // R_f and R_o are values; a group nobody could score must not count as wrong
  double sampled_tokens = 0, unscored = 0;
  const auto groups = core.step_groups(step);
  for (const BatchGroup& group : groups) {
    const size_t before = report.samples.size();
    for (SampledResponse& sample : sampled_responses(group)) report.samples.push_back(std::move(sample));
    for (size_t i = before; i < report.samples.size(); ++i) {
      sampled_tokens += static_cast<double>(report.samples[i].num_tokens);
      if (group.reward.responses[i - before].scored) {
        scored.push_back(report.samples[i]);
      } else {
        ++unscored;
      }
    }
  }
  auto& metrics = report.metrics;
  metrics = response_metrics(scored);
  add_emotions(metrics, scored);
  const core::StepRecord& record = core.step_record(step);
  const core::FoldedStep& facts = record.facts;
  for (const auto& [key, value] : record.learner_metrics) metrics[key] = value;
  metrics[metric::kLoss] = facts.loss;
  metrics[metric::kGate] = facts.gate;
  metrics["reward/unscored"] = unscored;
  metrics[metric::kStepTime] = facts.times.step;
  metrics[metric::kNumTokens] = static_cast<double>(inputs.total_tokens);
  if (facts.times.step > 0) metrics[metric::kTokensPerSecond] = sampled_tokens / facts.times.step;
  metrics["run/staleness"] = static_cast<double>(step.value - core.plan().version_of(step).value);
  for (const Role role : {Role::kRollout, Role::kReward, Role::kLearner}) {
    metrics[fmt::format("workers/{}", name(role))] = static_cast<double>(core.workers().live(role));
  }
  add_counters(metrics, core.counters());
  if (inputs.journal_sync_seconds > 0) metrics["ft/journal_sync_seconds"] = inputs.journal_sync_seconds;
  report.phase_seconds = {{"rollout", facts.times.rollout},
                          {"reward", facts.times.reward},
                          {"train", facts.times.train},
                          {"wait", facts.times.wait}};
  return report;
}

}  // namespace prosodia
