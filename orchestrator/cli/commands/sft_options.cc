#include "orchestrator/cli/commands/sft_options.h"

#include "orchestrator/cli/commands/model_options.h"

namespace prosodia::cli {
namespace {

// What a section of --stages may say; everything else belongs to the whole run.
constexpr std::string_view kStageOptions[] = {"dataset",
                                              "max_steps",
                                              "num_train_epochs",
                                              "learning_rate",
                                              "lr_scheduler_type",
                                              "warmup_ratio",
                                              "warmup_steps",
                                              "per_device_train_batch_size",
                                              "gradient_accumulation_steps",
                                              "weight_decay",
                                              "adam_beta1",
                                              "adam_beta2",
                                              "adam_epsilon",
                                              "max_grad_norm",
                                              "freeze",
                                              "token_budget",
                                              "eval_dataset",
                                              "eval_strategy",
                                              "eval_steps",
                                              "load_best_model_at_end",
                                              "metric_for_best_model",
                                              "greater_is_better",
                                              "early_stopping_patience",
                                              "early_stopping_threshold"};

// eval_dataset without a strategy would be read and never used: said, not passed over.
Status read_evaluation(const Options& options, SftStage& stage) {
  for (const std::string& path : options.list("eval_dataset")) stage.eval_datasets.emplace_back(path);
  const std::string& strategy = options.text("eval_strategy");
  stage.eval_strategy = strategy == "no"      ? EvalStrategy::kNo
                        : strategy == "steps" ? EvalStrategy::kSteps
                                              : EvalStrategy::kEpoch;
  if (stage.eval_strategy == EvalStrategy::kNo && !stage.eval_datasets.empty())
    return fail(ErrorCode::kUsage, "--eval_dataset says nothing while --eval_strategy is no; give steps or epoch");
  if (stage.eval_strategy != EvalStrategy::kNo && stage.eval_datasets.empty())
    return fail(ErrorCode::kUsage, "--eval_strategy {} needs an --eval_dataset", strategy);
  if (stage.eval_strategy == EvalStrategy::kSteps) {
    stage.eval_steps = options.integer("eval_steps");
    if (stage.eval_steps == 0) stage.eval_steps = options.integer("logging_steps");
  }
  stage.load_best_model_at_end = options.flag("load_best_model_at_end");
  stage.metric_for_best_model = options.text("metric_for_best_model");
  if (options.text("greater_is_better") != "auto") stage.greater_is_better = options.flag("greater_is_better");
  stage.early_stopping_patience = options.integer("early_stopping_patience");
  stage.early_stopping_threshold = options.real("early_stopping_threshold");
  return {};
}

Result<SftStage> stage_options(const Options& options, uint32_t command) {
  SftStage stage;
  PROSODIA_ASSIGN(stage.datasets, weighted_datasets(options));
  stage.per_device_train_batch_size = options.integer("per_device_train_batch_size");
  stage.gradient_accumulation_steps = options.integer("gradient_accumulation_steps");
  PROSODIA_ASSIGN(const LrScheduleOptions schedule, schedule_options(options));
  stage.max_steps = schedule.max_steps;
  stage.num_train_epochs = options.real("num_train_epochs");
  stage.learning_rate = schedule.learning_rate;
  stage.lr_scheduler_type = schedule.lr_scheduler_type;
  stage.warmup_ratio = schedule.warmup_ratio;
  stage.warmup_steps = options.integer("warmup_steps");
  stage.adamw = adamw_options(options);
  PROSODIA_ASSIGN(stage.freeze, freeze_spec(options));
  stage.max_tokens_per_micro_batch = options.integer("token_budget");
  if (command == kSft) PROSODIA_TRY(read_evaluation(options, stage));
  return stage;
}

Result<std::vector<SftStage>> read_stages(const Options& options) {
  const std::filesystem::path file = options.text("stages");
  PROSODIA_ASSIGN(const auto sections, parse_sections(kSft, options, kStageOptions, file));
  std::vector<SftStage> stages;
  for (const OptionSection& section : sections) {
    auto stage = stage_options(section.options, kSft);
    if (!stage) return wrap(stage.error(), fmt::format("{}: [{}]", file.string(), section.name));
    stage->name = section.name;
    stages.push_back(std::move(*stage));
  }
  return stages;
}

}  // namespace

Result<SftOptions> sft_options(const Options& options, const CommandContext& context, uint32_t command) {
  SftOptions sft;
  PROSODIA_ASSIGN(sft.model_dir, options.required("model"));
  PROSODIA_ASSIGN(sft.output_dir, options.required("output_dir"));
  if (command != kSft || options.text("stages").empty()) {
    PROSODIA_ASSIGN(static_cast<SftStage&>(sft), stage_options(options, command));
  } else {
    PROSODIA_ASSIGN(sft.stages, read_stages(options));
  }
  sft.seed = static_cast<uint64_t>(options.integer("seed"));
  sft.max_length = options.integer("max_length");
  sft.save_steps = options.integer("save_steps");
  sft.save_total_limit = static_cast<int>(options.integer("save_total_limit"));
  sft.logging_steps = options.integer("logging_steps");
  PROSODIA_ASSIGN(sft.model, training_model_options(options));
  sft.stop_requested = [&context] { return context.stop.load(); };
  return sft;
}

}  // namespace prosodia::cli
