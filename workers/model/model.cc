#include "workers/model/model.h"

#include <ATen/ATen.h>

#include <cmath>

#include "data/base/check.h"
#include "data/base/philox.h"
#include "workers/model/model_impl.h"

namespace prosodia {
namespace {

int64_t fan_in(const std::vector<int64_t>& shape) {
  int64_t product = 1;
  for (size_t i = 1; i < shape.size(); ++i) product *= shape[i];
  return product;
}

double init_std(const ParameterSpec& spec, const ModelConfig& config) {
  const double linear = 1.0 / std::sqrt(3.0 * static_cast<double>(fan_in(spec.shape)));
  switch (spec.init) {
    case Init::kEmbedding:
      return kEmbeddingInitStd;
    case Init::kLinear:
      return linear;
    case Init::kResidual: {
      const bool is_audio = spec.name.starts_with("audio_tower.");
      const int64_t layers = is_audio ? config.audio->encoder_layers : config.text.num_hidden_layers;
      return linear / std::sqrt(2.0 * static_cast<double>(layers));
    }
    case Init::kAudioProj:
      return kEmbeddingInitStd / std::sqrt(static_cast<double>(fan_in(spec.shape)));
    case Init::kZero:
    case Init::kOne:
      break;
  }
  return 0;
}

at::Tensor initial_tensor(const ParameterSpec& spec, const ModelConfig& config, uint64_t seed) {
  if (spec.init == Init::kZero) return at::zeros(spec.shape);
  if (spec.init == Init::kOne) return at::ones(spec.shape);
  at::Tensor tensor = at::empty(spec.shape, at::kFloat);
  PhiloxStream stream(seed);
  const float deviation = static_cast<float>(init_std(spec, config));
  float* values = tensor.data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = deviation * stream.next_normal();
  return tensor;
}

// Rows 0 … positions-1 of [sin(t inv), cos(t inv)], inv_k = exp(-k ln(10000) / (d/2 - 1)), in float32 as transformers
// computes it.
at::Tensor sinusoids(int64_t positions, int64_t channels) {
  const double increment = std::log(10000.0) / static_cast<double>(channels / 2 - 1);
  const at::Tensor inverse = at::exp(at::arange(channels / 2, at::kFloat) * -increment);
  const at::Tensor angle = at::arange(positions, at::kFloat).unsqueeze(1) * inverse.unsqueeze(0);
  return at::cat({at::sin(angle), at::cos(angle)}, 1);
}

}  // namespace

void Model::Impl::place(const ParameterSpec& spec, at::Tensor tensor) {
  tensor = tensor.to(options.device, options.dtype).contiguous();
  if (spec.slot) {
    *spec.slot = tensor;
    parameters.push_back({spec.name, tensor});
  } else {
    unused.push_back({spec.name, tensor});
  }
}

void Model::Impl::finish() {
  if (tied) decoder.head_VC = decoder.embed_VC;
  if (config.audio) {
    sinusoids_PA = sinusoids(config.audio->n_window, config.audio->d_model).to(options.device, options.dtype);
  }
  rope = ops::RopeTable(config.text.head_dim, config.text.rope_theta, config.text.max_position_embeddings);
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

std::unique_ptr<Model> Model::random(const ModelConfig& config, uint64_t seed, const LoadOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  impl->options = options;
  impl->file_prefix = config.tensor_prefix();
  impl->tied = config.tie_word_embeddings.value_or(false);
  const auto specs = parameter_specs(config, !impl->tied, impl->audio, impl->decoder);
  for (size_t i = 0; i < specs.size(); ++i) impl->place(specs[i], initial_tensor(specs[i], config, mix_seed(seed, i)));
  impl->finish();
  return std::unique_ptr<Model>(new Model(std::move(impl)));
}

const ModelConfig& Model::config() const { return impl_->config; }
at::ScalarType Model::dtype() const { return impl_->options.dtype; }
at::Device Model::device() const { return impl_->options.device; }
std::vector<NamedParameter>& Model::parameters() { return impl_->parameters; }
const std::vector<NamedParameter>& Model::parameters() const { return impl_->parameters; }
const at::Tensor& Model::head_weight() const { return impl_->decoder.head_VC; }
const DecoderWeights& Model::decoder() const { return impl_->decoder; }
const ops::RopeTable& Model::rope_table() const { return impl_->rope; }

const at::Tensor* Model::find(std::string_view name) const {
  for (const NamedParameter& parameter : impl_->parameters) {
    if (parameter.name == name) return &parameter.tensor;
  }
  return nullptr;
}

}  // namespace prosodia
