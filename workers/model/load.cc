#include "workers/model/load.h"

#include <ATen/ATen.h>

#include "workers/model/model.h"

namespace prosodia {
namespace {

Result<LoadOptions> parse_options(const ModelOptions& options) {
  LoadOptions parsed;
  if (options.dtype == "bfloat16") {
    parsed.dtype = at::kBFloat16;
  } else if (options.dtype != "float32") {
    return fail(ErrorCode::kUsage, "dtype \"{}\", expected float32 or bfloat16", options.dtype);
  }
  if (options.device == "cpu") return parsed;
  const bool is_cuda = options.device == "cuda" || (options.device.starts_with("cuda:") && options.device.size() == 6 &&
                                                    std::isdigit(static_cast<unsigned char>(options.device[5])));
  if (!is_cuda) return fail(ErrorCode::kUsage, "device \"{}\", expected cpu, cuda or cuda:N", options.device);
  if (!at::hasCUDA()) return fail(ErrorCode::kUsage, "device \"{}\", but no CUDA device is available", options.device);
  parsed.device = at::Device(options.device);
  return parsed;
}

// Options given with --use_peft for an adapter that exists already must say what it is.
Status check_same(const LoraOptions& wanted, const LoraOptions& found, const std::filesystem::path& dir) {
  if (wanted.r == found.r && wanted.lora_alpha == found.lora_alpha && wanted.use_rslora == found.use_rslora) return {};
  return fail(ErrorCode::kUsage,
              "{} holds an adapter with lora_r {}, lora_alpha {}, use_rslora {}; asked for {}, {}, {}. Next: give the "
              "adapter's own values to go on with it",
              dir.string(), found.r, found.lora_alpha, found.use_rslora, wanted.r, wanted.lora_alpha,
              wanted.use_rslora);
}

}  // namespace

Result<std::shared_ptr<Model>> load_model(const std::filesystem::path& model_dir, const ModelOptions& options) {
  PROSODIA_ASSIGN(const LoadOptions parsed, parse_options(options));
  PROSODIA_ASSIGN(const std::filesystem::path base, base_model_dir(model_dir));
  PROSODIA_ASSIGN(auto model, Model::load(base, parsed));
  std::filesystem::path adapter = options.adapter_dir;
  if (is_adapter_dir(model_dir)) {
    if (!adapter.empty())
      return fail(ErrorCode::kUsage, "{} is an adapter already; --adapter {} would be a second one", model_dir.string(),
                  adapter.string());
    adapter = model_dir;
  }
  if (!adapter.empty()) {
    PROSODIA_TRY(model->load_adapter(adapter));
    if (options.lora) PROSODIA_TRY(check_same(*options.lora, model->adapter_options(), adapter));
  } else if (options.lora) {
    PROSODIA_TRY(model->add_adapter(*options.lora));
  }
  return std::shared_ptr<Model>(std::move(model));
}

Status save_policy(const Model& model, const std::filesystem::path& source_dir,
                   const std::filesystem::path& target_dir) {
  PROSODIA_TRY(copy_model_files(source_dir, target_dir));
  return model.has_adapter() ? model.save_adapter(target_dir) : model.save(target_dir);
}

}  // namespace prosodia
