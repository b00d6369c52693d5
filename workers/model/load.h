// Opening a model without LibTorch's headers: for the CLI and the worker loops, which only hand the model on.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/base/status.h"

namespace prosodia {

class Model;

struct ModelOptions {
  std::string dtype = "float32";  // float32 | bfloat16: the type weights are held and run in
  std::string device = "cpu";     // cpu | cuda | cuda:N
};

// kUsage for an unknown dtype or device, or a GPU that is not there; otherwise as Model::load.
Result<std::shared_ptr<Model>> load_model(const std::filesystem::path& model_dir, const ModelOptions& options = {});

}  // namespace prosodia
