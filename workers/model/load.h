// Opening a model without LibTorch's headers: for the CLI and the worker loops, which only hand the model on.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data/base/status.h"
#include "workers/model/lora.h"

namespace prosodia {

class Model;

struct ModelOptions {
  std::string dtype = "float32";           // float32 | bfloat16: the type weights are held and run in
  std::string device = "cpu";              // cpu | cuda | cuda:N
  std::filesystem::path adapter_dir = {};  // peft adapter folder to run with; empty = none, or the model folder's own
  // --use_peft: train an adapter: adapter_dir's, or a fresh one with these options.
  std::optional<LoraOptions> lora = std::nullopt;
};

// `model_dir` may be an adapter folder: then its base is loaded, and the adapter with it. kUsage for an unknown dtype
// or device, a GPU that is not there, two adapters, or lora options that differ from the adapter to go on with;
// otherwise as Model::load and Model::load_adapter.
Result<std::shared_ptr<Model>> load_model(const std::filesystem::path& model_dir, const ModelOptions& options = {});
// What a training run leaves: the adapter's folder if the model has one, else Model::save; and the tokenizer and
// preprocessor files of `source_dir`, so that the folder is good for every --model.
Status save_policy(const Model& model, const std::filesystem::path& source_dir,
                   const std::filesystem::path& target_dir);

}  // namespace prosodia
