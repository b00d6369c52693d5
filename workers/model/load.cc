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

}  // namespace

Result<std::shared_ptr<Model>> load_model(const std::filesystem::path& model_dir, const ModelOptions& options) {
  PROSODIA_ASSIGN(const LoadOptions parsed, parse_options(options));
  PROSODIA_ASSIGN(auto model, Model::load(model_dir, parsed));
  return std::shared_ptr<Model>(std::move(model));
}

}  // namespace prosodia
