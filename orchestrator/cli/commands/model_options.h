// From the option table to the options of the libraries. One function a struct, so that every command that takes an
// option reads it the same way. Failure: kUsage naming the option.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/cli/options.h"
#include "workers/learner/grpo_options.h"
#include "workers/learner/sft.h"
#include "workers/model/load.h"
#include "workers/model/processor.h"
#include "workers/rollout/engine.h"

namespace prosodia::cli {

// Sets torch's thread count and the environment that makes its CPU arithmetic repeatable. Call before any tensor.
void configure_torch(const Options& options);

ModelOptions model_options(const Options& options);
// Of a command that trains. adopt_adapter(): before anything is read from them, the options of an adapter that training
// goes on with take its values where the user gave none; kUsage for LoRA options that would have no effect.
Result<Options> adopt_adapter(Options options);
Result<ModelOptions> training_model_options(const Options& options);
AdamWOptions adamw_options(const Options& options);
Result<LrScheduleOptions> schedule_options(const Options& options);
Result<FreezeSpec> freeze_spec(const Options& options);
Result<GrpoOptions> grpo_options(const Options& options);
SamplingParams sampling_params(const Options& options, bool greedy);  // the engine's callers add stops and suppressions

// "FILE" or "FILE:WEIGHT".
Result<std::vector<SftDataset>> weighted_datasets(const Options& options);

// Model and processor of --model.
struct LoadedModel {
  std::shared_ptr<Model> model;
  std::unique_ptr<Processor> processor;
};
Result<LoadedModel> open_model(const Options& options);
Result<LoadedModel> open_model(const std::string& dir, const ModelOptions& model_options);  // another folder

}  // namespace prosodia::cli
