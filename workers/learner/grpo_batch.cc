#include "workers/learner/grpo_batch.h"

#include <algorithm>
#include <cmath>

namespace prosodia {
namespace {

Status check_group(const protocol::StepBatch& batch, const protocol::BatchGroup& group) {
  const auto& completions = group.rollout.completions;
  const auto complain = [&](std::string_view what) {
    return fail(ErrorCode::kInvalidInput, "step {}, group {}: {}", batch.step, group.group_id, what);
  };
  if (completions.size() != group.reward.responses.size())
    return complain("the number of responses and of their scores differs");
  if (group.rollout.prompt_token_count == 0) return complain("the prompt has no tokens");
  if (group.rollout.policy_version.value > batch.step.value) return complain("sampled with a version of the future");
  for (size_t k = 0; k < completions.size(); ++k) {
    if (completions[k].token_ids.size() != completions[k].logprobs.size())
      return complain("a response's tokens and log-probabilities differ in number");
    if (group.reward.responses[k].present && !std::isfinite(group.reward.responses[k].total))
      return complain("a present reward is not a finite number");
  }
  return {};
}

}  // namespace

Status check_token_ids(const protocol::StepBatch& batch, int64_t vocab_size, int32_t audio_token_id) {
  for (const auto& group : batch.groups)
    for (const auto& completion : group.rollout.completions)
      for (const int32_t id : completion.token_ids)
        if (id < 0 || id >= vocab_size || id == audio_token_id)
          return fail(ErrorCode::kInvalidInput,
                      "step {}, group {}: token id {} cannot be in a response (vocabulary of {}, audio placeholder {})",
                      batch.step, group.group_id, id, vocab_size, audio_token_id);
  return {};
}

Result<GrpoSequences> number_sequences(const protocol::StepBatch& batch, const AdvantageOptions& options) {
  GrpoSequences out;
  std::vector<double> rewards;
  std::vector<uint8_t> present;
  std::vector<int> group_of;
  for (size_t g = 0; g < batch.groups.size(); ++g) {
    const protocol::BatchGroup& group = batch.groups[g];
    PROSODIA_TRY(check_group(batch, group));
    const auto staleness = static_cast<int64_t>(batch.step.value - group.rollout.policy_version.value);
    out.on_policy = out.on_policy && staleness == 0;
    out.max_staleness = std::max(out.max_staleness, staleness);
    for (size_t k = 0; k < group.rollout.completions.size(); ++k) {
      const auto& completion = group.rollout.completions[k];
      const auto& score = group.reward.responses[k];
      out.all.push_back({static_cast<int64_t>(g), &completion, score.present, 0});
      rewards.push_back(score.total);
      present.push_back(score.present);
      group_of.push_back(static_cast<int>(g));
      out.prompt_tokens += group.rollout.prompt_token_count;
      if (!score.present) continue;
      ++out.counts.sequences;
      out.counts.tokens += static_cast<int64_t>(completion.token_ids.size());
    }
  }
  const std::vector<double> values = advantages(rewards, present, group_of, options);
  for (size_t i = 0; i < values.size(); ++i) out.all[i].advantage = values[i];
  out.rewards = reward_stats(rewards, present, group_of);
  return out;
}

std::vector<PackGroup> pack_groups(const protocol::StepBatch& batch, const GrpoSequences& sequences) {
  std::vector<PackGroup> groups(batch.groups.size());
  for (size_t g = 0; g < groups.size(); ++g)
    groups[g].prompt_tokens = static_cast<int64_t>(batch.groups[g].rollout.prompt_token_count);
  for (size_t s = 0; s < sequences.all.size(); ++s) {
    const GrpoSequence& sequence = sequences.all[s];
    if (!sequence.present || sequence.completion->token_ids.empty()) continue;
    groups[static_cast<size_t>(sequence.group)].responses.push_back(
        {sequence.completion->token_ids, static_cast<int64_t>(s)});
  }
  return groups;
}

}  // namespace prosodia
