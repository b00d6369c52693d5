// The GRPO loss on per-token log-probabilities: pure functions, no model, no collectives.
//
// Formulas: GRPO (arXiv 2402.03300), DAPO (2503.14476), Dr. GRPO (2503.20783), GSPO (2507.18071), with TRL 1.16's
// definitions (`GRPOTrainer._compute_loss`): the same tokens and advantages give the same loss and gradients.
//   rho  = exp(logp - old)                                     token level, or exp of its mean over the row's sequence
//   pg   = -min(min(rho, delta) A, clip(rho, 1 - epsilon, 1 + epsilon_high) A)
//   l    = pg + beta (exp(ref - logp) - (ref - logp) - 1)
//   loss = sum over rows of w l, where w is, for a sequence of T tokens in a batch of N sequences and M tokens:
//          grpo 1 / (N T)     dapo, bnpo 1 / M     dr_grpo 1 / (N max_completion_length)
// N and M count the whole batch: every rank, every micro-batch. So the gradient does not depend on how the batch is cut
// (TRL's bnpo divides by a micro-batch's own tokens; with one micro-batch on one rank the two agree).
//
// Two guards TRL lacks, both outside the range where training is sane: log ratios and ref - logp are clamped to +-20,
// so that one wild token cannot turn the loss into inf or NaN.
//
// Called by grpo_step. Thread-safe. Failure rule: shapes are the caller's invariants and abort.
// Shapes: R rows = response tokens of all sequences laid end to end, S sequences.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "workers/learner/grpo_options.h"

namespace prosodia {

// Sizes of the whole batch, over all ranks and micro-batches; only sequences that take part (their reward is present).
struct BatchCounts {
  int64_t sequences = 0;
  int64_t tokens = 0;
};

struct GrpoLossInput {
  at::Tensor logprobs_R;               // float32, carries the graph
  at::Tensor old_logprobs_R;           // float32; undefined = logprobs detached (on-policy, rho = 1)
  at::Tensor ref_logprobs_R;           // float32; undefined only when beta is 0
  std::span<const int64_t> offsets;    // [S + 1]; sequence s holds rows [offsets[s], offsets[s + 1])
  std::span<const double> advantages;  // [S]
};

// One sequence's share of the step's numbers; sums are over its tokens.
struct SequenceStats {
  double tokens = 0;
  double loss = 0;         // its weighted share: the batch's loss is the sum over all sequences
  double kl = 0;           // sum of k3
  double low_clipped = 0;  // tokens with rho < 1 - epsilon and A < 0
  double high_clipped = 0;
  double ratio = 0;  // sum of rho
  double ratio_min = 0, ratio_max = 0;
};

struct GrpoLossOutput {
  at::Tensor loss;                   // scalar float32 with graph: this micro-batch's share of the batch's loss
  std::vector<SequenceStats> stats;  // [S]
};

GrpoLossOutput grpo_loss(const GrpoLossOptions& options, const GrpoLossInput& input, const BatchCounts& counts);

}  // namespace prosodia
