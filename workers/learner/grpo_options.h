// Options of a GRPO step. No torch here: the command line reads this header. Value types; pure functions.
// Formulas: grpo_loss.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "reward/advantage.h"
#include "workers/learner/lr_schedule.h"
#include "workers/learner/train_options.h"
#include "workers/model/freeze.h"

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

struct GrpoOptions {
  GrpoLossOptions loss;
  AdvantageOptions advantage;
  LrScheduleOptions schedule;  // in batches; each of num_iterations updates counts, as in TRL
  AdamWOptions adamw;
  FreezeSpec freeze;                          // with an adapter: freezes parts of it
  double temperature = 1.0;                   // of sampling; the loss sees logits / temperature, as in TRL
  int num_iterations = 1;                     // optimizer updates per batch
  int64_t max_tokens_per_micro_batch = 8192;  // rows of one forward
  std::filesystem::path dataset_dir;          // what relative audio paths in rows are relative to
};

}  // namespace prosodia
