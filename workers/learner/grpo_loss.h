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
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

enum class LossType { kGrpo, kDapo, kBnpo, kDrGrpo };
std::string_view name(LossType type);                      // "grpo", "dapo", "bnpo", "dr_grpo"
Result<LossType> parse_loss_type(std::string_view text);   // kUsage, naming the four words
enum class ImportanceSamplingLevel { kToken, kSequence };  // kSequence = GSPO
std::string_view name(ImportanceSamplingLevel level);      // "token", "sequence"
Result<ImportanceSamplingLevel> parse_importance_sampling_level(std::string_view text);

struct GrpoLossOptions {
  LossType loss_type = LossType::kGrpo;
  ImportanceSamplingLevel importance_sampling_level = ImportanceSamplingLevel::kToken;
  double epsilon = 0.2;                 // lower clip, > 0
  std::optional<double> epsilon_high;   // upper clip; unset = epsilon
  std::optional<double> delta;          // upper bound of rho in the unclipped term (two-sided clip); > 1 + epsilon_high
  double beta = 0.04;                   // weight of the KL term; 0 = no reference needed
  int64_t max_completion_length = 256;  // tokens; dr_grpo's denominator
};
Status validate(const GrpoLossOptions& options);  // kUsage, naming the option

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
};

struct GrpoLossOutput {
  at::Tensor loss;                   // scalar float32 with graph: this micro-batch's share of the batch's loss
  std::vector<SequenceStats> stats;  // [S]
};

GrpoLossOutput grpo_loss(const GrpoLossOptions& options, const GrpoLossInput& input, const BatchCounts& counts);

}  // namespace prosodia
