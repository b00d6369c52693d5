#include "workers/model/model_parts.h"

namespace prosodia {
namespace {

class SpecList {
 public:
  void add(std::string name, std::vector<int64_t> shape, Init init, at::Tensor* slot) {
    specs_.push_back({std::move(name), std::move(shape), init, slot});
  }
  void linear(const std::string& name, int64_t outputs, int64_t inputs, at::Tensor& weight, at::Tensor* bias,
              Init init = Init::kLinear, LoraPair* lora = nullptr) {
    add(name + ".weight", {outputs, inputs}, init, &weight);
    specs_.back().lora = lora;
    if (bias) add(name + ".bias", {outputs}, Init::kZero, bias);
  }
  void layer_norm(const std::string& name, int64_t channels, at::Tensor& weight, at::Tensor& bias) {
    add(name + ".weight", {channels}, Init::kOne, &weight);
    add(name + ".bias", {channels}, Init::kZero, &bias);
  }
  std::vector<ParameterSpec> take() { return std::move(specs_); }

 private:
  std::vector<ParameterSpec> specs_;
};

void add_audio_layer(SpecList& list, const AudioConfig& config, const std::string& prefix, AudioLayerWeights& layer) {
  const int64_t width = config.d_model, inner = config.encoder_ffn_dim;
  list.linear(prefix + "self_attn.k_proj", width, width, layer.k_AA, nullptr, Init::kLinear, &layer.k_lora);
  list.linear(prefix + "self_attn.v_proj", width, width, layer.v_AA, &layer.v_bias_A, Init::kLinear, &layer.v_lora);
  list.linear(prefix + "self_attn.q_proj", width, width, layer.q_AA, &layer.q_bias_A, Init::kLinear, &layer.q_lora);
  list.linear(prefix + "self_attn.out_proj", width, width, layer.out_AA, &layer.out_bias_A, Init::kResidual,
              &layer.out_lora);
  list.layer_norm(prefix + "self_attn_layer_norm", width, layer.attention_norm_A, layer.attention_norm_bias_A);
  list.linear(prefix + "fc1", inner, width, layer.fc1_FA, &layer.fc1_bias_F, Init::kLinear, &layer.fc1_lora);
  list.linear(prefix + "fc2", width, inner, layer.fc2_AF, &layer.fc2_bias_A, Init::kResidual, &layer.fc2_lora);
  list.layer_norm(prefix + "final_layer_norm", width, layer.ffn_norm_A, layer.ffn_norm_bias_A);
}

void add_audio(SpecList& list, const AudioConfig& config, AudioWeights& audio) {
  const std::string tower = "audio_tower.";
  const int64_t width = config.d_model;
  list.add(tower + "conv1.weight", {width, config.num_mel_bins, 3}, Init::kLinear, &audio.conv1);
  list.add(tower + "conv1.bias", {width}, Init::kZero, &audio.conv1_bias_A);
  list.add(tower + "conv2.weight", {width, width, 3}, Init::kLinear, &audio.conv2);
  list.add(tower + "conv2.bias", {width}, Init::kZero, &audio.conv2_bias_A);
  list.add(tower + "audio_bos_eos_token.weight", {2, config.output_dim}, Init::kEmbedding, nullptr);
  audio.layers.resize(config.encoder_layers);
  for (size_t i = 0; i < audio.layers.size(); ++i) {
    add_audio_layer(list, config, tower + "layers." + std::to_string(i) + ".", audio.layers[i]);
  }
  list.layer_norm(tower + "ln_post", width, audio.post_norm_A, audio.post_norm_bias_A);
  list.linear(tower + "proj", config.output_dim, width, audio.proj_CA, &audio.proj_bias_C, Init::kAudioProj,
              &audio.proj_lora);
}

void add_decoder_layer(SpecList& list, const TextConfig& config, const std::string& prefix,
                       DecoderLayerWeights& layer) {
  const int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  const int64_t q = config.num_attention_heads * config.head_dim, kv = config.num_key_value_heads * config.head_dim;
  list.linear(prefix + "self_attn.q_proj", q, hidden, layer.q_QC, &layer.q_bias_Q, Init::kLinear, &layer.q_lora);
  list.linear(prefix + "self_attn.k_proj", kv, hidden, layer.k_KC, &layer.k_bias_K, Init::kLinear, &layer.k_lora);
  list.linear(prefix + "self_attn.v_proj", kv, hidden, layer.v_KC, &layer.v_bias_K, Init::kLinear, &layer.v_lora);
  list.linear(prefix + "self_attn.o_proj", hidden, q, layer.o_CQ, nullptr, Init::kResidual, &layer.o_lora);
  list.linear(prefix + "mlp.gate_proj", inner, hidden, layer.gate_IC, nullptr, Init::kLinear, &layer.gate_lora);
  list.linear(prefix + "mlp.up_proj", inner, hidden, layer.up_IC, nullptr, Init::kLinear, &layer.up_lora);
  list.linear(prefix + "mlp.down_proj", hidden, inner, layer.down_CI, nullptr, Init::kResidual, &layer.down_lora);
  list.add(prefix + "input_layernorm.weight", {hidden}, Init::kOne, &layer.input_norm_C);
  list.add(prefix + "post_attention_layernorm.weight", {hidden}, Init::kOne, &layer.post_attention_norm_C);
}

}  // namespace

std::vector<ParameterSpec> parameter_specs(const ModelConfig& config, bool own_head, AudioWeights& audio,
                                           DecoderWeights& decoder) {
  SpecList list;
  const TextConfig& text = config.text;
  if (config.audio) add_audio(list, *config.audio, audio);
  list.add("model.embed_tokens.weight", {text.vocab_size, text.hidden_size}, Init::kEmbedding, &decoder.embed_VC);
  decoder.layers.resize(text.num_hidden_layers);
  for (size_t i = 0; i < decoder.layers.size(); ++i) {
    add_decoder_layer(list, text, "model.layers." + std::to_string(i) + ".", decoder.layers[i]);
  }
  list.add("model.norm.weight", {text.hidden_size}, Init::kOne, &decoder.norm_C);
  if (own_head) list.linear("lm_head", text.vocab_size, text.hidden_size, decoder.head_VC, nullptr);
  return list.take();
}

}  // namespace prosodia
