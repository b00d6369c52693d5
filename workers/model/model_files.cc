// Model folders: loading, saving, and the flat bytes of a policy version (weights.h).
#include <ATen/ATen.h>

#include <cstring>
#include <map>

#include "data/base/check.h"
#include "data/base/crc32c.h"
#include "data/store/atomic_file.h"
#include "workers/model/model_folder.h"
#include "workers/model/model_impl.h"
#include "workers/model/weights.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

Status write_config(const fs::path& model_dir, const ModelConfig& config, bool tied, at::ScalarType dtype) {
  nlohmann::json json = config.to_json();
  set_tied(json, tied);
  set_dtype(json, file_dtype(dtype));
  return write_file_atomic(posix_file_system(), model_dir / "config.json", json.dump(2) + "\n");
}

}  // namespace

Result<std::unique_ptr<Model>> Model::load(const fs::path& model_dir, const LoadOptions& options) {
  PROSODIA_ASSIGN(const ModelFolder folder, open_model_folder(model_dir));
  auto impl = std::make_unique<Impl>();
  impl->config = folder.config;
  impl->options = options;
  impl->dir = fs::weakly_canonical(fs::absolute(model_dir));
  impl->tied = folder.tied;
  impl->file_prefix = folder.prefix;
  if (!folder.foreign.empty()) {
    impl->base = describe_base(folder.tensors, folder.foreign);
  } else {
    PROSODIA_ASSIGN(impl->base, read_base_model(model_dir));
  }
  for (const ParameterSpec& spec : parameter_specs(impl->config, !impl->tied, impl->audio, impl->decoder)) {
    auto tensor = read_tensor(folder.tensors, folder.view(folder.prefix + spec.name), options.dtype);
    if (!tensor) return wrap(tensor.error(), model_dir.string());
    impl->place(spec, std::move(*tensor));
  }
  impl->finish();
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

Status Model::save(const fs::path& model_dir) const {
  PROSODIA_CHECK(!has_adapter(), "{}: a model with an adapter is saved by save_adapter()", model_dir.string());
  PROSODIA_TRY(posix_file_system().create_dirs(model_dir));
  std::vector<TensorSpec> specs;
  std::map<std::string, at::Tensor> by_name;
  for (const auto* list : {&impl_->parameters, &impl_->unused}) {
    for (const NamedParameter& parameter : *list) {
      const std::string file_name = impl_->file_prefix + parameter.name;
      specs.push_back({file_name, file_dtype(parameter.tensor.scalar_type()), parameter.tensor.sizes().vec()});
      by_name.emplace(file_name, parameter.tensor.detach());
    }
  }
  const auto produce = [&](const TensorSpec& spec, const ByteSink& sink) {
    return sink(bytes_of(by_name.at(spec.name).to(at::kCPU).contiguous()));
  };
  PROSODIA_TRY(write_model_tensors(posix_file_system(), model_dir, specs, produce, {{"format", "pt"}}));
  PROSODIA_TRY(write_base_model(model_dir, impl_->base));
  return write_config(model_dir, impl_->config, impl_->tied, dtype());
}

Status copy_model_files(const fs::path& from, const fs::path& to) {
  static constexpr std::string_view kNames[] = {"tokenizer.json",
                                                "tokenizer_config.json",
                                                "vocab.json",
                                                "merges.txt",
                                                "added_tokens.json",
                                                "special_tokens_map.json",
                                                "chat_template.json",
                                                "chat_template.jinja",
                                                "preprocessor_config.json",
                                                "processor_config.json",
                                                "video_preprocessor_config.json",
                                                "generation_config.json",
                                                "spk_dict.pt"};
  FileSystem& files = posix_file_system();
  PROSODIA_TRY(files.create_dirs(to));
  PROSODIA_ASSIGN(const fs::path base, base_model_dir(from));
  for (const std::string_view file_name : kNames) {
    PROSODIA_ASSIGN(const bool present, files.exists(base / file_name));
    if (!present) continue;
    PROSODIA_ASSIGN(const auto bytes, files.read_file(base / file_name));
    PROSODIA_TRY(write_file_atomic(files, to / file_name, bytes));
  }
  return {};
}

namespace {

size_t total_bytes(std::span<const NamedParameter> parameters) {
  size_t total = 0;
  for (const NamedParameter& parameter : parameters) total += parameter.tensor.nbytes();
  return total;
}

}  // namespace

void append_tensors(std::span<const NamedParameter> parameters, std::vector<std::byte>& packed) {
  packed.reserve(packed.size() + total_bytes(parameters));
  for (const NamedParameter& parameter : parameters) {
    const at::Tensor cpu = parameter.tensor.detach().to(at::kCPU).contiguous();
    const auto bytes = bytes_of(cpu);
    packed.insert(packed.end(), bytes.begin(), bytes.end());
  }
}

std::vector<std::byte> pack_tensors(std::span<const NamedParameter> parameters) {
  std::vector<std::byte> packed;
  append_tensors(parameters, packed);
  return packed;
}

TensorChecksums checksum_tensors(const Model& model) {
  TensorChecksums checksums;
  for (const NamedParameter& parameter : model.parameters()) {
    const at::Tensor cpu = parameter.tensor.detach().to(at::kCPU).contiguous();
    checksums[parameter.name] = crc32c(bytes_of(cpu));
  }
  return checksums;
}

Status unpack_tensors(std::span<const std::byte> packed, std::span<const NamedParameter> parameters) {
  if (packed.size() != total_bytes(parameters)) {
    return fail(ErrorCode::kInvalidInput,
                "weights of {} bytes received, this model has {}: the learner and this worker must start from the same "
                "model folder, dtype, adapter and freeze options",
                packed.size(), total_bytes(parameters));
  }
  size_t offset = 0;
  for (const NamedParameter& parameter : parameters) {
    at::Tensor target = parameter.tensor.detach();
    const size_t size = target.nbytes();
    at::Tensor staged = at::empty(target.sizes(), target.options().device(at::kCPU));
    std::memcpy(staged.data_ptr(), packed.data() + offset, size);
    target.copy_(staged);
    offset += size;
  }
  return {};
}

size_t packed_weight_bytes(const Model& model) { return total_bytes(model.parameters()); }
std::vector<std::byte> pack_weights(const Model& model) { return pack_tensors(model.parameters()); }
Digest digest_weights(std::span<const std::byte> packed) { return DigestBuilder().add(packed).finish(); }
Status unpack_weights(std::span<const std::byte> packed, Model& model) {
  return unpack_tensors(packed, model.parameters());
}

}  // namespace prosodia
