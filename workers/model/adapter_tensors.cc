#include "workers/model/adapter_tensors.h"

#include <ATen/ATen.h>

#include <cstring>

#include "workers/model/model_folder.h"

namespace prosodia {
namespace {

// "model.layers.0.mlp.up_proj.lora_A.weight" of a name in the file; empty when it is none of peft's.
std::string_view name_in_model(std::string_view stored) {
  if (!stored.starts_with(kPeftPrefix)) return {};
  stored.remove_prefix(kPeftPrefix.size());
  if (stored.starts_with(kThinkerPrefix)) stored.remove_prefix(kThinkerPrefix.size());
  return stored;
}

}  // namespace

bool is_other_tower(std::string_view name) {
  return name.starts_with("visual.") || name.starts_with("talker.") || name.starts_with("token2wav.");
}

Result<AdapterTensors> AdapterTensors::open(const std::filesystem::path& adapter_dir) {
  AdapterTensors tensors;
  PROSODIA_ASSIGN(tensors.file_, SafetensorsFile::open(adapter_dir / "adapter_model.safetensors"));
  for (const TensorView& view : tensors.file_->tensors()) {
    const std::string name(name_in_model(view.name));
    const bool strange = name.find("lora_") != std::string::npos && !name.ends_with(kLoraA) && !name.ends_with(kLoraB);
    if (name.empty() || strange)
      return fail(
          ErrorCode::kInvalidInput,
          "{}: tensor `{}` is not understood, expected base_model.model.MODULE.lora_A.weight, …lora_B.weight or "
          "a tensor of modules_to_save",
          tensors.path().string(), view.name);
    tensors.by_name_[name] = &view;
  }
  return tensors;
}

Result<at::Tensor> AdapterTensors::read(const TensorView& view, const std::vector<int64_t>& shape) const {
  if (view.shape != shape)
    return fail(ErrorCode::kInvalidInput, "{}: tensor `{}` is [{}], expected [{}]", path().string(), view.name,
                fmt::join(view.shape, ", "), fmt::join(shape, ", "));
  const auto type = scalar_type(view);
  if (!type) return wrap(type.error(), path().string());
  at::Tensor tensor = at::empty(view.shape, *type);
  if (!view.data.empty()) std::memcpy(tensor.data_ptr(), view.data.data(), view.data.size());
  return tensor;
}

Result<std::optional<AdapterTensors::Pair>> AdapterTensors::pair(const std::string& module,
                                                                 const std::vector<int64_t>& weight_shape,
                                                                 int64_t rank) const {
  const auto a = by_name_.find(module + std::string(kLoraA)), b = by_name_.find(module + std::string(kLoraB));
  if (a == by_name_.end() && b == by_name_.end()) return std::optional<Pair>();
  if (a == by_name_.end() || b == by_name_.end())
    return fail(ErrorCode::kInvalidInput, "{}: module {} has only one of lora_A and lora_B", path().string(), module);
  Pair pair;
  PROSODIA_ASSIGN(pair.a_RK, read(*a->second, {rank, weight_shape[1]}));
  PROSODIA_ASSIGN(pair.b_NR, read(*b->second, {weight_shape[0], rank}));
  return std::optional<Pair>(std::move(pair));
}

}  // namespace prosodia
