#include "orchestrator/cli/commands/model_options.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdlib>

#include "data/base/number.h"
#include "workers/model/adapter_config.h"
#include "workers/model/model.h"

namespace prosodia::cli {

void configure_torch(const Options& options) {
  if (options.flag("deterministic")) {
    // MKL may pick kernels by memory alignment; this mode makes a call's result depend on its inputs alone.
    setenv("MKL_CBWR", "AUTO,STRICT", /*overwrite=*/0);
    // Everything else on CPU is deterministic anyway. CUDA: not run on a GPU yet.
    if (options.text("device").starts_with("cuda")) {
      setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
      at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
      at::globalContext().setDeterministicFillUninitializedMemory(false);  // no kernel reads what it has not written
      at::globalContext().setBenchmarkCuDNN(false);
    }
  }
  at::set_num_threads(static_cast<int>(options.integer("num_threads")));
}

ModelOptions model_options(const Options& options) {
  const std::string& device = options.text("device");
  return {.dtype = options.text("dtype"),
          .device = device == "auto" ? "cpu" : device,
          .adapter_dir = options.text("adapter")};
}

Result<Options> adopt_adapter(Options options) {
  std::filesystem::path dir = options.text("adapter");
  if (dir.empty() && is_adapter_dir(options.text("model"))) dir = options.text("model");
  if (!options.flag("use_peft")) {
    if (!dir.empty())
      return fail(ErrorCode::kUsage,
                  "{} is an adapter: training goes on with it under --use_peft; to train all weights, merge it first "
                  "with `prosodia export`",
                  dir.string());
    for (const char* name : {"lora_r", "lora_alpha", "use_rslora", "lora_target_modules", "lora_modules_to_save"})
      if (options.given(name)) return fail(ErrorCode::kUsage, "--{} says nothing without --use_peft", name);
    return options;
  }
  if (dir.empty()) return options;
  for (const char* name : {"lora_target_modules", "lora_modules_to_save"})
    if (options.given(name))
      return fail(ErrorCode::kUsage, "--{}: {} decides that, training goes on with it", name, dir.string());
  PROSODIA_ASSIGN(const AdapterConfig config, AdapterConfig::load(dir));
  const auto adopt = [&](const char* name, std::string value) {
    if (!options.given(name)) options.set(name, std::move(value));
  };
  adopt("lora_r", fmt::format("{}", config.options.r));
  adopt("lora_alpha", fmt::format("{}", config.options.lora_alpha));
  adopt("use_rslora", config.options.use_rslora ? "true" : "false");
  return options;
}

Result<ModelOptions> training_model_options(const Options& options) {
  ModelOptions model = model_options(options);
  if (!options.flag("use_peft")) return model;
  if (options.real("lora_dropout") != 0)
    return fail(ErrorCode::kUsage,
                "--lora_dropout {}: only 0 is possible, because sampling and learning must compute the same "
                "log-probabilities",
                options.real("lora_dropout"));
  LoraOptions lora;
  lora.r = options.integer("lora_r");
  lora.lora_alpha = options.real("lora_alpha");
  lora.use_rslora = options.flag("use_rslora");
  lora.target_modules = options.list("lora_target_modules");
  lora.modules_to_save = options.list("lora_modules_to_save");
  lora.seed = static_cast<uint64_t>(options.integer("seed"));
  PROSODIA_TRY(validate(lora));
  model.lora = std::move(lora);
  return model;
}

AdamWOptions adamw_options(const Options& options) {
  return {.beta1 = options.real("adam_beta1"),
          .beta2 = options.real("adam_beta2"),
          .eps = options.real("adam_epsilon"),
          .weight_decay = options.real("weight_decay"),
          .max_grad_norm = options.real("max_grad_norm")};
}

Result<LrScheduleOptions> schedule_options(const Options& options) {
  LrScheduleOptions schedule;
  schedule.learning_rate = options.real("learning_rate");
  PROSODIA_ASSIGN(schedule.lr_scheduler_type, parse_lr_scheduler_type(options.text("lr_scheduler_type")));
  schedule.warmup_ratio = options.real("warmup_ratio");
  schedule.max_steps = options.integer("max_steps");
  return schedule;
}

Result<FreezeSpec> freeze_spec(const Options& options) { return FreezeSpec::parse(options.text("freeze")); }

Result<GrpoOptions> grpo_options(const Options& options) {
  GrpoOptions grpo;
  PROSODIA_ASSIGN(grpo.loss.loss_type, parse_loss_type(options.text("loss_type")));
  PROSODIA_ASSIGN(grpo.loss.importance_sampling_level,
                  parse_importance_sampling_level(options.text("importance_sampling_level")));
  grpo.loss.epsilon = options.real("epsilon");
  if (options.real("epsilon_high") > 0) grpo.loss.epsilon_high = options.real("epsilon_high");
  if (options.real("delta") > 0) grpo.loss.delta = options.real("delta");
  grpo.loss.beta = options.real("beta");
  grpo.loss.max_completion_length = options.integer("max_completion_length");
  PROSODIA_TRY(validate(grpo.loss));
  PROSODIA_ASSIGN(grpo.advantage.scale_rewards, parse_scale_rewards(options.text("scale_rewards")));
  PROSODIA_ASSIGN(grpo.schedule, schedule_options(options));
  grpo.adamw = adamw_options(options);
  PROSODIA_ASSIGN(grpo.freeze, freeze_spec(options));
  grpo.temperature = options.real("temperature");
  grpo.num_iterations = static_cast<int>(options.integer("num_iterations"));
  grpo.max_tokens_per_micro_batch = options.integer("token_budget");
  return grpo;
}

SamplingParams sampling_params(const Options& options, bool greedy) {
  SamplingParams params;
  params.temperature = options.real("temperature");
  params.top_p = options.real("top_p");
  params.top_k = static_cast<int>(options.integer("top_k"));
  params.greedy = greedy;
  params.max_completion_length = static_cast<int>(options.integer("max_completion_length"));
  return params;
}

Result<std::vector<SftDataset>> weighted_datasets(const Options& options) {
  PROSODIA_ASSIGN(const std::string all, options.required("dataset"));
  std::vector<SftDataset> datasets;
  for (const std::string& item : options.list("dataset")) {
    const size_t colon = item.rfind(':');
    SftDataset dataset{.path = item, .weight = std::nullopt};
    if (colon != std::string::npos && !std::filesystem::exists(item)) {
      const auto weight = parse_number(std::string_view(item).substr(colon + 1));
      if (!weight || !(*weight > 0)) {
        return fail(ErrorCode::kUsage, "--dataset '{}': the weight after ':' must be a number above 0", item);
      }
      dataset = {.path = item.substr(0, colon), .weight = weight};
    }
    datasets.push_back(std::move(dataset));
  }
  return datasets;
}

Result<LoadedModel> open_model(const Options& options) {
  PROSODIA_ASSIGN(const std::string dir, options.required("model"));
  return open_model(dir, model_options(options));
}

Result<LoadedModel> open_model(const std::string& dir, const ModelOptions& model_options) {
  LoadedModel loaded;
  PROSODIA_ASSIGN(loaded.model, load_model(dir, model_options));
  PROSODIA_ASSIGN(loaded.processor, Processor::load(dir, std::make_shared<AudioStore>()));
  return loaded;
}

}  // namespace prosodia::cli
