#include "workers/learner/sft_stage.h"

#include <cmath>

#include "workers/learner/sft_progress.h"

namespace prosodia {
namespace {

Status validate_evaluation(const SftStage& stage) {
  PROSODIA_TRY(best_metric_name(stage));
  const bool evaluates =
      !stage.eval_datasets.empty() && (stage.eval_strategy == EvalStrategy::kEpoch ||
                                       (stage.eval_strategy == EvalStrategy::kSteps && stage.eval_steps > 0));
  if (stage.eval_steps < 0 || stage.early_stopping_patience < 0 || !(stage.early_stopping_threshold >= 0))
    return fail(ErrorCode::kUsage, "eval_steps, early_stopping_patience and early_stopping_threshold are at least 0");
  for (const auto& [wanted, option] : {std::pair(stage.load_best_model_at_end, "load_best_model_at_end"),
                                       std::pair(stage.early_stopping_patience > 0, "early_stopping_patience")})
    if (wanted && !evaluates)
      return fail(ErrorCode::kUsage, "{} needs evaluations: give eval_dataset, and eval_strategy steps or epoch",
                  option);
  return {};
}

Status validate_stage(const SftStage& stage) {
  if (stage.datasets.empty()) return fail(ErrorCode::kUsage, "no dataset. Next: give --dataset FILE.jsonl");
  if (stage.per_device_train_batch_size < 1 || stage.gradient_accumulation_steps < 1)
    return fail(ErrorCode::kUsage, "per_device_train_batch_size and gradient_accumulation_steps are at least 1");
  if (stage.max_steps <= 0 && !(stage.num_train_epochs > 0))
    return fail(ErrorCode::kUsage, "nothing to do: max_steps {} and num_train_epochs {}", stage.max_steps,
                stage.num_train_epochs);
  if (stage.max_tokens_per_micro_batch < 1)
    return fail(ErrorCode::kUsage, "max_tokens_per_micro_batch {}: expected at least 1",
                stage.max_tokens_per_micro_batch);
  if (!(stage.learning_rate > 0) || stage.warmup_ratio < 0 || stage.warmup_ratio > 1 || stage.warmup_steps < 0)
    return fail(ErrorCode::kUsage,
                "learning_rate {} must be positive, warmup_ratio {} within 0 and 1, warmup_steps {} at least 0",
                stage.learning_rate, stage.warmup_ratio, stage.warmup_steps);
  return validate_evaluation(stage);
}

}  // namespace

std::span<const SftStage> stages_of(const SftOptions& options) {
  if (!options.stages.empty()) return options.stages;
  return {static_cast<const SftStage*>(&options), 1};
}

Status validate_sft(const SftOptions& options) {
  const auto stages = stages_of(options);
  for (size_t i = 0; i < stages.size(); ++i) {
    const Status status = validate_stage(stages[i]);
    if (status) continue;
    if (stages.size() == 1) return status;
    return wrap(status.error(), fmt::format("stage {} ({})", i + 1, stages[i].name));
  }
  return {};
}

Result<OpenStage> OpenStage::open(const SftStage& options, uint64_t seed, const SftInputs& inputs) {
  OpenStage stage;
  stage.options_ = &options;
  PROSODIA_ASSIGN(stage.data_, SftData::load(options, seed, inputs.processor, inputs.audio, inputs.max_length,
                                             inputs.collective.rank(), inputs.collective.size()));
  if (!options.eval_datasets.empty()) {
    PROSODIA_ASSIGN(stage.eval_set_, SftEvalSet::load(options.eval_datasets, inputs.processor, inputs.max_length,
                                                      options.max_tokens_per_micro_batch, inputs.collective));
  }
  stage.facts_.global_batch = stage.data_->global_batch();
  const double per_epoch =
      static_cast<double>(stage.data_->num_rows()) / static_cast<double>(stage.facts_.global_batch);
  stage.facts_.max_steps =
      options.max_steps > 0
          ? options.max_steps
          : std::max<int64_t>(1, static_cast<int64_t>(std::ceil(options.num_train_epochs * per_epoch)));
  return stage;
}

double OpenStage::learning_rate(int64_t stage_step) const {
  return learning_rate_at({options_->learning_rate, options_->lr_scheduler_type, options_->warmup_steps,
                           options_->warmup_ratio, facts_.max_steps},
                          stage_step);
}

double OpenStage::epochs(int64_t stage_step) const {
  return static_cast<double>(stage_step * facts_.global_batch) / static_cast<double>(data_->num_rows());
}

bool OpenStage::evaluation_due(int64_t stage_step, bool anyone_else) const {
  if (!eval_set_ && !anyone_else) return false;
  const bool last = stage_step == facts_.max_steps;
  switch (options_->eval_strategy) {
    case EvalStrategy::kNo:
      return false;
    case EvalStrategy::kSteps:
      return options_->eval_steps > 0 && (last || stage_step % options_->eval_steps == 0);
    case EvalStrategy::kEpoch: {
      const int64_t batch = facts_.global_batch, rows = data_->num_rows();
      return last || stage_step * batch / rows != (stage_step - 1) * batch / rows;
    }
  }
  return false;
}

std::string OpenStage::announcement(int64_t index, size_t num_stages, int64_t stage_step) const {
  return fmt::format("stage {} of {}{}: {} rows, {} steps{}", index + 1, num_stages,
                     options_->name.empty() ? "" : " (" + options_->name + ")", data_->num_rows(), facts_.max_steps,
                     stage_step > 0 ? fmt::format(", {} done before", stage_step) : "");
}

}  // namespace prosodia
