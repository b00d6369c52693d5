#include "workers/model/adapter_merge.h"

#include <ATen/ATen.h>

#include "data/base/check.h"
#include "data/store/atomic_file.h"
#include "workers/model/lora_linear.h"
#include "workers/model/model.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

// "model.layers.0.mlp.up_proj" of "model.layers.0.mlp.up_proj.weight" and of its A and B; other names as they are.
std::string_view without(std::string_view name, std::string_view suffix) {
  return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
}

}  // namespace

Result<AdapterMerge> AdapterMerge::open(const fs::path& adapter_dir) {
  PROSODIA_ASSIGN(AdapterConfig config, AdapterConfig::load(adapter_dir));
  PROSODIA_ASSIGN(AdapterTensors tensors, AdapterTensors::open(adapter_dir));
  return AdapterMerge(std::move(config), std::move(tensors));
}

Status AdapterMerge::check(std::span<const ExpectedTensor> parameters) {
  std::set<std::string, std::less<>> placed;
  for (const ExpectedTensor& parameter : parameters) {
    if (!touches(parameter.name)) continue;
    if (const auto whole = tensors_.by_name().find(parameter.name); whole != tensors_.by_name().end()) {
      PROSODIA_TRY(tensors_.read(*whole->second, parameter.shape));
      placed.insert(parameter.name);
      continue;
    }
    const std::string module(without(parameter.name, ".weight"));
    PROSODIA_TRY(tensors_.pair(module, parameter.shape, config_.options.r));
    placed.insert({module + std::string(kLoraA), module + std::string(kLoraB)});
  }
  for (const auto& [name, view] : tensors_.by_name()) {
    if (placed.contains(name)) continue;
    return fail(ErrorCode::kInvalidInput, "{}: tensor `{}` {}", tensors_.path().string(), view->name,
                is_other_tower(name)
                    ? "belongs to a tower that this program does not run and cannot merge. Next: merge it with peft"
                    : "has no place in this model. Next: check that it is the adapter's base");
  }
  return {};
}

bool AdapterMerge::touches(std::string_view name) const {
  return tensors_.by_name().contains(name) ||
         (name.ends_with(".weight") &&
          tensors_.by_name().contains(fmt::format("{}{}", without(name, ".weight"), kLoraA)));
}

Status AdapterMerge::apply(std::string_view name, at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  if (const auto whole = tensors_.by_name().find(name); whole != tensors_.by_name().end()) {
    PROSODIA_ASSIGN(const at::Tensor stored, tensors_.read(*whole->second, weight.sizes().vec()));
    weight.copy_(stored);
    return {};
  }
  PROSODIA_ASSIGN(const auto pair,
                  tensors_.pair(std::string(without(name, ".weight")), weight.sizes().vec(), config_.options.r));
  PROSODIA_CHECK(pair, "{}", name);
  weight = merged_weight(weight, {pair->a_RK, pair->b_NR, config_.options.scaling()});
  return {};
}

Status export_adapter(const fs::path& adapter_dir, const fs::path& base_dir, const fs::path& output_dir) {
  FileSystem& files = posix_file_system();
  if (fs::exists(output_dir) && !fs::is_empty(output_dir))
    return fail(ErrorCode::kUsage,
                "--output_dir {}: there is something in it already. Name a new folder, or remove this one",
                output_dir.string());
  PROSODIA_ASSIGN(AdapterConfig config, AdapterConfig::load(adapter_dir));
  PROSODIA_TRY(AdapterTensors::open(adapter_dir));
  PROSODIA_TRY(copy_model_files(base_dir, output_dir));
  PROSODIA_ASSIGN(const auto tensors, files.read_file(adapter_dir / "adapter_model.safetensors"));
  PROSODIA_TRY(write_file_atomic(files, output_dir / "adapter_model.safetensors", tensors));
  config.source["base_model_name_or_path"] = fs::weakly_canonical(fs::absolute(base_dir)).string();
  return write_file_atomic(files, output_dir / "adapter_config.json", config.source.dump(2) + "\n");
}

}  // namespace prosodia
