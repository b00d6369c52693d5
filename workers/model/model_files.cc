// Model folders: loading, saving, and the flat bytes of a policy version (weights.h).
#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "data/base/check.h"
#include "data/store/atomic_file.h"
#include "workers/model/model_impl.h"
#include "workers/model/weights.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

Result<at::ScalarType> scalar_type(const TensorView& view) {
  switch (view.dtype) {
    case DType::F64:
      return at::kDouble;
    case DType::F32:
      return at::kFloat;
    case DType::F16:
      return at::kHalf;
    case DType::BF16:
      return at::kBFloat16;
    default:
      return fail(ErrorCode::kInvalidInput, "tensor `{}` has dtype {}, expected F32, BF16, F16 or F64", view.name,
                  name(view.dtype));
  }
}

DType file_dtype(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return DType::F64;
    case at::kHalf:
      return DType::F16;
    case at::kBFloat16:
      return DType::BF16;
    default:
      PROSODIA_CHECK(type == at::kFloat, "dtype {} has no file form", at::toString(type));
      return DType::F32;
  }
}

std::string_view config_dtype(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    default:
      return "float32";
  }
}

// Copies: the bytes in the file may be misaligned for their type.
Result<at::Tensor> read_tensor(const TensorView& view) {
  PROSODIA_ASSIGN(const at::ScalarType type, scalar_type(view));
  at::Tensor tensor = at::empty(view.shape, type);
  if (!view.data.empty()) std::memcpy(tensor.data_ptr(), view.data.data(), view.data.size());
  return tensor;
}

std::span<const std::byte> bytes_of(const at::Tensor& cpu_tensor) {
  return {static_cast<const std::byte*>(cpu_tensor.data_ptr()), static_cast<size_t>(cpu_tensor.nbytes())};
}

// What a checkpoint may hold beside the tensors of our forward.
std::vector<std::string> ignored_prefixes(const std::string& prefix) {
  std::vector<std::string> ignored = {prefix + "visual."};
  if (!prefix.empty()) ignored.insert(ignored.end(), {"talker.", "token2wav."});
  return ignored;
}

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.data, b.data);
}

// The tie rule: a stored head is used; without one the head is tied only if the config says so.
Result<bool> decide_tied(const ModelConfig& config, const ShardedTensors& tensors, const std::string& prefix) {
  const bool config_ties = config.tie_word_embeddings.value_or(false);
  const TensorView* head = tensors.find(prefix + "lm_head.weight");
  const TensorView* embed = tensors.find(prefix + "model.embed_tokens.weight");
  if (!head && !config_ties) {
    return fail(ErrorCode::kInvalidInput,
                "{}: `{}lm_head.weight` is not stored and config.json does not say `tie_word_embeddings`: true. "
                "Complete the checkpoint, or set that key if the model is tied",
                tensors.dir().string(), prefix);
  }
  // Some writers store both names of a tied pair.
  return !head || (config_ties && embed && same_bytes(*head, *embed));
}

void set_config_key(nlohmann::json& object, const char* key, const char* old_key, const nlohmann::json& value) {
  object[old_key && object.contains(old_key) ? old_key : key] = value;
}

Status write_config(const fs::path& model_dir, const ModelConfig& config, bool tied, at::ScalarType dtype) {
  nlohmann::json json = config.to_json();
  nlohmann::json& thinker = config.layout == ModelLayout::kOmni ? json["thinker_config"] : json;
  thinker["tie_word_embeddings"] = tied;
  set_config_key(json, "dtype", "torch_dtype", config_dtype(dtype));
  return write_file_atomic(posix_file_system(), model_dir / "config.json", json.dump(2) + "\n");
}

}  // namespace

Result<std::unique_ptr<Model>> Model::load(const fs::path& model_dir, const LoadOptions& options) {
  auto impl = std::make_unique<Impl>();
  PROSODIA_ASSIGN(impl->config, ModelConfig::load(model_dir));
  impl->options = options;
  PROSODIA_ASSIGN(impl->source, open_model_tensors(model_dir));
  const ShardedTensors& tensors = *impl->source;
  impl->file_prefix = tensors.find("thinker.model.embed_tokens.weight") ? "thinker." : "";
  const std::string& prefix = impl->file_prefix;
  PROSODIA_ASSIGN(impl->tied, decide_tied(impl->config, tensors, prefix));

  const auto specs = parameter_specs(impl->config, !impl->tied, impl->audio, impl->decoder);
  std::vector<ExpectedTensor> expected;
  for (const ParameterSpec& spec : specs) expected.push_back({prefix + spec.name, spec.shape});
  std::vector<std::string> ignored = ignored_prefixes(prefix);
  if (impl->tied) ignored.push_back(prefix + "lm_head.weight");
  PROSODIA_TRY(check_tensors(tensors, expected, ignored));

  for (const ParameterSpec& spec : specs) {
    auto tensor = read_tensor(*tensors.find(prefix + spec.name));
    if (!tensor) return wrap(tensor.error(), model_dir.string());
    impl->place(spec, std::move(*tensor));
  }
  impl->finish();
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

Status Model::save(const fs::path& model_dir) const {
  PROSODIA_TRY(posix_file_system().create_dirs(model_dir));
  std::vector<at::Tensor> keep_alive;  // views point into these
  std::vector<TensorView> views;
  std::set<std::string> written;
  for (const auto* list : {&impl_->parameters, &impl_->unused}) {
    for (const NamedParameter& parameter : *list) {
      const at::Tensor cpu = parameter.tensor.detach().to(at::kCPU).contiguous();
      keep_alive.push_back(cpu);
      const std::string file_name = impl_->file_prefix + parameter.name;
      written.insert(file_name);
      views.push_back({file_name, file_dtype(cpu.scalar_type()), cpu.sizes().vec(), bytes_of(cpu)});
    }
  }
  if (impl_->tied) written.insert(impl_->file_prefix + "lm_head.weight");
  if (impl_->source) {
    for (const std::string& file_name : impl_->source->names()) {
      if (!written.contains(file_name)) views.push_back(*impl_->source->find(file_name));
    }
  }
  PROSODIA_TRY(write_model_tensors(posix_file_system(), model_dir, views, {{"format", "pt"}}));
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
                                                "generation_config.json",
                                                "spk_dict.pt"};
  FileSystem& files = posix_file_system();
  PROSODIA_TRY(files.create_dirs(to));
  for (const std::string_view file_name : kNames) {
    PROSODIA_ASSIGN(const bool present, files.exists(from / file_name));
    if (!present) continue;
    PROSODIA_ASSIGN(const auto bytes, files.read_file(from / file_name));
    PROSODIA_TRY(write_file_atomic(files, to / file_name, bytes));
  }
  return {};
}

size_t packed_weight_bytes(const Model& model) {
  size_t total = 0;
  for (const NamedParameter& parameter : model.parameters()) total += parameter.tensor.nbytes();
  return total;
}

std::vector<std::byte> pack_weights(const Model& model) {
  std::vector<std::byte> packed;
  packed.reserve(packed_weight_bytes(model));
  for (const NamedParameter& parameter : model.parameters()) {
    const at::Tensor cpu = parameter.tensor.detach().to(at::kCPU).contiguous();
    const auto bytes = bytes_of(cpu);
    packed.insert(packed.end(), bytes.begin(), bytes.end());
  }
  return packed;
}

Digest digest_weights(std::span<const std::byte> packed) { return DigestBuilder().add(packed).finish(); }

Status unpack_weights(std::span<const std::byte> packed, Model& model) {
  if (packed.size() != packed_weight_bytes(model)) {
    return fail(ErrorCode::kInvalidInput,
                "weights of {} bytes received, this model has {}: the learner and this worker must start from the same "
                "model folder and dtype",
                packed.size(), packed_weight_bytes(model));
  }
  size_t offset = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    at::Tensor target = parameter.tensor.detach();
    const size_t size = target.nbytes();
    at::Tensor staged = at::empty(target.sizes(), target.options().device(at::kCPU));
    std::memcpy(staged.data_ptr(), packed.data() + offset, size);
    target.copy_(staged);
    offset += size;
  }
  return {};
}

}  // namespace prosodia
