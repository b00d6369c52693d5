// Writing config.json.
#include "data/base/check.h"
#include "workers/model/config.h"

namespace prosodia {
namespace {

using nlohmann::json;

json text_json(const ModelConfig& config) {
  const TextConfig& text = config.text;
  json rope = {{"rope_type", "default"}, {"rope_theta", text.rope_theta}};
  if (!text.mrope_section.empty()) rope["mrope_section"] = text.mrope_section;
  json out = {{"model_type", config.layout == ModelLayout::kQwen2 ? "qwen2" : "qwen2_5_omni_text"},
              {"hidden_size", text.hidden_size},
              {"intermediate_size", text.intermediate_size},
              {"num_hidden_layers", text.num_hidden_layers},
              {"num_attention_heads", text.num_attention_heads},
              {"num_key_value_heads", text.num_key_value_heads},
              {"vocab_size", text.vocab_size},
              {"max_position_embeddings", text.max_position_embeddings},
              {"rms_norm_eps", text.rms_norm_eps},
              {"hidden_act", "silu"},
              {"attention_dropout", 0.0},
              {"use_sliding_window", false},
              {"use_cache", true},
              {"initializer_range", 0.02},
              {"tie_word_embeddings", config.tie_word_embeddings.value_or(false)},
              {"rope_parameters", rope},
              // The spelling of transformers 4, so that older readers get the same model.
              {"rope_theta", text.rope_theta}};
  if (text.head_dim * text.num_attention_heads != text.hidden_size) out["head_dim"] = text.head_dim;
  return out;
}

json audio_json(const AudioConfig& audio) {
  return {{"model_type", "qwen2_5_omni_audio_encoder"},
          {"d_model", audio.d_model},
          {"encoder_layers", audio.encoder_layers},
          {"encoder_attention_heads", audio.encoder_attention_heads},
          {"encoder_ffn_dim", audio.encoder_ffn_dim},
          {"num_mel_bins", audio.num_mel_bins},
          {"n_window", audio.n_window},
          {"max_source_positions", audio.max_source_positions},
          {"output_dim", audio.output_dim},
          {"activation_function", "gelu"},
          {"scale_embedding", false},
          {"dropout", 0.0},
          {"attention_dropout", 0.0},
          {"activation_dropout", 0.0}};
}

std::string_view dtype_name(DType dtype) {
  switch (dtype) {
    case DType::F64:
      return "float64";
    case DType::F16:
      return "float16";
    case DType::BF16:
      return "bfloat16";
    default:
      PROSODIA_CHECK(dtype == DType::F32, "{} is no dtype of a model", name(dtype));
      return "float32";
  }
}

// The objects of a config.json that describe the tensors we hold: the root, the Thinker, its text and audio parts.
std::vector<json*> own_objects(json& root) {
  std::vector<json*> objects = {&root};
  const auto add = [&](json& parent, const char* key) -> json* {
    if (!parent.contains(key) || !parent[key].is_object()) return nullptr;
    objects.push_back(&parent[key]);
    return &parent[key];
  };
  json* thinker = add(root, "thinker_config");
  for (const char* key : {"text_config", "audio_config"}) add(thinker ? *thinker : root, key);
  return objects;
}

}  // namespace

void set_dtype(json& config, DType dtype) {
  bool stated = false;
  for (json* object : own_objects(config)) {
    for (const char* key : {"dtype", "torch_dtype"}) {
      if (!object->contains(key)) continue;
      (*object)[key] = dtype_name(dtype);
      stated |= object == &config;
    }
  }
  if (!stated) config["dtype"] = dtype_name(dtype);
}

void set_tied(json& config, bool tied) {
  json& thinker = config.contains("thinker_config") ? config["thinker_config"] : config;
  thinker["tie_word_embeddings"] = tied;
  if (const auto text = thinker.find("text_config"); text != thinker.end() && text->contains("tie_word_embeddings"))
    (*text)["tie_word_embeddings"] = tied;
}

nlohmann::json ModelConfig::to_json() const {
  if (!source.is_null()) return source;
  if (layout == ModelLayout::kQwen2) {
    json out = text_json(*this);
    out["architectures"] = {"Qwen2ForCausalLM"};
    return out;
  }
  // transformers always builds a vision tower; the smallest one keeps its memory negligible.
  const json vision = {{"model_type", "qwen2_5_omni_vision_encoder"},
                       {"depth", 1},
                       {"hidden_size", 32},
                       {"num_heads", 2},
                       {"intermediate_size", 32},
                       {"out_hidden_size", text.hidden_size},
                       {"fullatt_block_indexes", {0}}};
  json thinker = {{"model_type", "qwen2_5_omni_thinker"},
                  {"architectures", {"Qwen2_5OmniThinkerForConditionalGeneration"}},
                  {"text_config", text_json(*this)},
                  {"audio_config", audio_json(*audio)},
                  {"vision_config", vision},
                  {"tie_word_embeddings", tie_word_embeddings.value_or(false)},
                  {"audio_token_index", audio_token_id},
                  {"audio_start_token_id", audio_start_token_id},
                  {"audio_end_token_id", audio_end_token_id},
                  {"image_token_index", image_token_id},
                  {"video_token_index", video_token_id},
                  {"vision_start_token_id", vision_start_token_id},
                  {"vision_end_token_id", vision_end_token_id},
                  {"position_id_per_seconds", 25},
                  {"seconds_per_chunk", 2},
                  {"initializer_range", 0.02}};
  if (layout == ModelLayout::kThinker) return thinker;
  return {{"model_type", "qwen2_5_omni"},
          {"architectures", {"Qwen2_5OmniForConditionalGeneration"}},
          {"thinker_config", thinker}};
}

}  // namespace prosodia
