// A step batch as the learner sees it: its responses numbered across groups, with rewards and advantages.
// Called by grpo_step on every rank with the same batch. Pure. Failure rule: kInvalidInput naming step and group when
// the batch contradicts itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/protocol/messages.h"
#include "reward/advantage.h"
#include "workers/learner/grpo_loss.h"
#include "workers/learner/packing.h"

namespace prosodia {

struct GrpoSequence {
  int64_t group = 0;  // index into StepBatch::groups
  const protocol::Completion* completion = nullptr;
  bool present = false;  // has a reward: takes part in the loss
  double advantage = 0;
};

struct GrpoSequences {
  std::vector<GrpoSequence> all;  // in group order, then sample order
  BatchCounts counts;             // of the present ones
  RewardStats rewards;
  bool on_policy = true;  // every group was sampled with the weights this step starts from
  int64_t max_staleness = 0;
  int64_t prompt_tokens = 0;  // of all responses, each with its prompt: what TRL counts
};

// Sampled ids that the forward would abort on: outside [0, vocab_size), or an audio placeholder.
Status check_token_ids(const protocol::StepBatch& batch, int64_t vocab_size, int32_t audio_token_id);

// The result points into `batch`.
Result<GrpoSequences> number_sequences(const protocol::StepBatch& batch, const AdvantageOptions& options);

// What plan_packing needs: the present responses of each group. Prompts are not set.
std::vector<PackGroup> pack_groups(const protocol::StepBatch& batch, const GrpoSequences& sequences);

}  // namespace prosodia
