// Adapter folders in peft's format: reading, writing, and values of a checkpoint.
//
// A and B are written in float32, tensors of modules_to_save in the model's dtype; their names: adapter_tensors.h.
#include <ATen/ATen.h>

#include <algorithm>

#include "data/base/check.h"
#include "data/store/atomic_file.h"
#include "workers/model/adapter_config.h"
#include "workers/model/adapter_tensors.h"
#include "workers/model/model_folder.h"
#include "workers/model/model_impl.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

}  // namespace

bool is_adapter_dir(const fs::path& dir) { return fs::exists(dir / "adapter_config.json"); }

Result<fs::path> base_model_dir(const fs::path& dir) {
  if (!is_adapter_dir(dir)) return dir;
  PROSODIA_ASSIGN(const AdapterConfig config, AdapterConfig::load(dir));
  for (const fs::path& candidate : {dir / config.base, config.base})  // dir / absolute = absolute
    if (!config.base.empty() && fs::exists(candidate / "config.json")) return fs::weakly_canonical(candidate);
  return fail(
      ErrorCode::kInvalidInput,
      "{}: `base_model_name_or_path` is \"{}\", which is no model folder here. Next: give --model BASE --adapter "
      "{}",
      (dir / "adapter_config.json").string(), config.base.string(), dir.string());
}

Status Model::load_adapter(const fs::path& dir) {
  if (has_adapter()) return fail(ErrorCode::kUsage, "{}: this model has an adapter already", dir.string());
  PROSODIA_ASSIGN(AdapterConfig config, AdapterConfig::load(dir));
  PROSODIA_ASSIGN(const AdapterTensors tensors, AdapterTensors::open(dir));
  impl_->adapter = AttachedAdapter{config.options, std::move(config.source), {}, {}, {}};
  for (const ParameterSpec& spec : impl_->specs()) {
    if (!spec.lora) continue;
    PROSODIA_ASSIGN(const auto pair, tensors.pair(module_of(spec), spec.shape, config.options.r));
    if (pair) impl_->attach(spec, pair->a_RK, pair->b_NR);
  }
  if (impl_->adapter->modules.empty())
    return fail(ErrorCode::kInvalidInput, "{}: holds no adapter of this model", tensors.path().string());
  for (const auto& [name, view] : tensors.by_name()) {
    const at::Tensor* target = find(name);
    const bool is_pair = name.ends_with(kLoraA) || name.ends_with(kLoraB);
    if (target && is_pair) continue;  // attached above
    if (!target && is_other_tower(name)) {
      PROSODIA_ASSIGN(const at::Tensor tensor, tensors.read(*view, view->shape));
      impl_->adapter->carried.push_back({view->name, tensor});
      continue;
    }
    if (!target)
      return fail(ErrorCode::kInvalidInput,
                  "{}: tensor `{}` has no place in this model. Next: check that {} is its base",
                  tensors.path().string(), view->name, impl_->dir.string());
    PROSODIA_ASSIGN(const at::Tensor tensor, tensors.read(*view, target->sizes().vec()));
    target->detach().copy_(tensor);
    impl_->adapter->whole.insert(name);
  }
  if (impl_->tied && impl_->adapter->whole.contains("model.embed_tokens.weight"))
    return fail(ErrorCode::kInvalidInput, "{}: holds embeddings, but this model's head is tied to them",
                tensors.path().string());
  return {};
}

Status Model::save_adapter(const fs::path& dir) const {
  PROSODIA_CHECK(has_adapter());
  PROSODIA_TRY(posix_file_system().create_dirs(dir));
  const AttachedAdapter& adapter = *impl_->adapter;
  std::vector<at::Tensor> keep_alive;  // views point into these
  std::vector<TensorView> views;
  const auto add = [&](const std::string& stored, const at::Tensor& tensor) {
    keep_alive.push_back(tensor.detach().to(at::kCPU).contiguous());
    views.push_back({stored, file_dtype(tensor.scalar_type()), tensor.sizes().vec(), bytes_of(keep_alive.back())});
  };
  for (const NamedParameter& parameter : impl_->parameters)
    if (in_adapter(parameter.name))
      add(std::string(kPeftPrefix) + impl_->file_prefix + parameter.name, parameter.tensor);
  for (const NamedParameter& tensor : adapter.carried) add(tensor.name, tensor.tensor);
  PROSODIA_TRY(write_safetensors(posix_file_system(), dir / "adapter_model.safetensors", views, {{"format", "pt"}}));
  nlohmann::json config = adapter.config;
  if (config.is_null())
    config = peft_config(adapter.options, impl_->dir, !impl_->config.audio.has_value(), impl_->file_prefix);
  if (!impl_->dir.empty()) config["base_model_name_or_path"] = impl_->dir.string();
  return write_file_atomic(posix_file_system(), dir / "adapter_config.json", config.dump(2) + "\n");
}

Status Model::load_values(const fs::path& dir, std::span<const NamedParameter> parameters) {
  const auto missing = [&](const NamedParameter& parameter) {
    return fail(ErrorCode::kInvalidInput,
                "{}: holds no `{}` of this shape: were the model or the trained parts changed? Next: start in a new "
                "output folder, or go back to the saved options",
                dir.string(), parameter.name);
  };
  if (is_adapter_dir(dir)) {
    PROSODIA_ASSIGN(const AdapterTensors tensors, AdapterTensors::open(dir));
    for (const NamedParameter& parameter : parameters) {
      const auto found = tensors.by_name().find(parameter.name);
      if (found == tensors.by_name().end() || found->second->shape != parameter.tensor.sizes().vec())
        return missing(parameter);
      PROSODIA_ASSIGN(const at::Tensor tensor, tensors.read(*found->second, found->second->shape));
      parameter.tensor.detach().copy_(tensor);
    }
    return {};
  }
  PROSODIA_ASSIGN(const ShardedTensors tensors, open_model_tensors(dir));
  for (const NamedParameter& parameter : parameters) {
    const TensorView* view = tensors.find(impl_->file_prefix + parameter.name);
    if (!view || view->shape != parameter.tensor.sizes().vec()) return missing(parameter);
    PROSODIA_ASSIGN(const at::Tensor tensor, read_tensor(tensors, *view, parameter.tensor.scalar_type()));
    parameter.tensor.detach().copy_(tensor);
  }
  return {};
}

}  // namespace prosodia
