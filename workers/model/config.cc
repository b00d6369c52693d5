#include "workers/model/config.h"

#include <fstream>
#include <sstream>

#include "data/base/json.h"

namespace prosodia {
namespace {

using nlohmann::json;

struct Range {
  int64_t minimum, maximum;
};
// Far above any model: 8192 wide and 128 layers deep are common, vocabularies end below 2^18.
constexpr Range kWidth{1, 1 << 18}, kInnerWidth{1, 1 << 20}, kLayers{1, 1 << 12}, kHeads{1, 1 << 12},
    kVocabulary{1, 1 << 24};
constexpr Range kPositions{1, int64_t{1} << 31}, kAudioPositions{1, 1 << 16}, kMelBins{1, 1 << 12},
    kTokenId{0, (1 << 24) - 1};

// Reads keys of one JSON object. The first problem is kept and the getters go on with defaults, so that parsing code
// stays flat; the caller checks status() once.
class Keys {
 public:
  Keys(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  bool has(const char* key) const { return object_.contains(key) && !object_.at(key).is_null(); }
  const json& at(const char* key) const { return object_.at(key); }

  // Bounded from above as well, so that sizes can be multiplied and a hostile file cannot ask for all memory.
  int64_t integer(const char* key, std::optional<int64_t> fallback, Range range) {
    if (!has(key)) return missing(key, fallback, range.minimum);
    const json& value = at(key);
    if (!value.is_number_integer() || value < range.minimum || value > range.maximum) {
      error("`{}` is {}, expected an integer from {} to {}", key, brief(value), range.minimum, range.maximum);
      return fallback.value_or(range.minimum);
    }
    return value.get<int64_t>();
  }
  double number(const char* key, double fallback) {
    if (!has(key)) return fallback;
    if (!at(key).is_number() || !(at(key).get<double>() > 0)) {
      error("`{}` is {}, expected a positive number", key, brief(at(key)));
      return fallback;
    }
    return at(key).get<double>();
  }
  std::optional<bool> boolean(const char* key) {
    if (!has(key)) return std::nullopt;
    if (!at(key).is_boolean()) {
      error("`{}` is {}, expected true or false", key, brief(at(key)));
      return std::nullopt;
    }
    return at(key).get<bool>();
  }
  // The key may be absent; when present it must have this value, because the forward implements no other.
  void only(const char* key, const json& supported) {
    if (!has(key) || at(key) == supported) return;
    if (supported.is_number() && at(key).is_number() && at(key).get<double>() == supported.get<double>()) return;
    error("`{}` is {}, but only {} is supported", key, brief(at(key)), brief(supported));
  }
  void absent(const char* key, const char* what) {
    if (has(key)) error("`{}`: {} is not supported", key, what);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    if (status_)
      status_ = fail(ErrorCode::kInvalidInput, "{}: {}", where_, fmt::format(format, std::forward<Args>(args)...));
  }
  const Status& status() const { return status_; }

 private:
  int64_t missing(const char* key, std::optional<int64_t> fallback, int64_t minimum) {
    if (!fallback) error("`{}` is missing", key);
    return fallback.value_or(minimum);
  }

  const json& object_;
  std::string where_;
  Status status_;
};

// Which architectures a layout may name; another head or task on the same trunk is not what our forward computes.
Status check_architectures(const json& root, std::string_view must_contain, const std::string& where) {
  const auto found = root.find("architectures");
  if (found == root.end() || !found->is_array() || found->empty()) return {};
  for (const json& architecture : *found) {
    if (!architecture.is_string()) continue;
    const auto& name = architecture.get_ref<const std::string&>();
    if (name.find(must_contain) != std::string::npos &&
        (name.ends_with("ForConditionalGeneration") || name.ends_with("ForCausalLM") || name == "Qwen2_5OmniModel"))
      return {};
  }
  return fail(ErrorCode::kInvalidInput,
              "{}: `architectures` is {}, expected Qwen2_5OmniForConditionalGeneration, "
              "Qwen2_5OmniModel, Qwen2_5OmniThinkerForConditionalGeneration or Qwen2ForCausalLM",
              where, found->dump());
}

// `rope_parameters` (transformers 5), or `rope_theta` beside `rope_scaling` (before).
void parse_rope(Keys& keys, TextConfig& text, bool is_omni) {
  text.rope_theta = keys.number("rope_theta", is_omni ? 1e6 : 1e4);
  text.mrope_section.clear();
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    if (!keys.has(name)) continue;
    const json& rope = keys.at(name);
    if (!rope.is_object()) return keys.error("`{}` is {}, expected an object", name, brief(rope));
    for (const char* type_key : {"rope_type", "type"}) {
      // Early Qwen exports write "mrope" for the default type with three position rows.
      const std::string type = brief(rope.value(type_key, json("default")));
      if (type != "\"default\"" && type != "\"mrope\"") {
        return keys.error("`{}.{}` is {}, but only \"default\" is supported", name, type_key, type);
      }
    }
    for (const auto& [key, value] : rope.items()) {
      if (value.is_object())
        return keys.error("`{}.{}`: different positions per kind of layer are not supported", name, key);
    }
    if (rope.contains("mrope_interleaved") && rope["mrope_interleaved"] != false) {
      return keys.error("`{}.mrope_interleaved` is {}, but only false is supported", name,
                        rope["mrope_interleaved"].dump());
    }
    if (rope.contains("partial_rotary_factor") && rope["partial_rotary_factor"] != 1) {
      return keys.error("`{}.partial_rotary_factor` is {}, but only 1 is supported", name,
                        brief(rope["partial_rotary_factor"]));
    }
    Keys rope_keys(rope, name);
    text.rope_theta = rope_keys.number("rope_theta", text.rope_theta);
    if (!rope_keys.status()) return keys.error("{}", rope_keys.status().error().message);
    if (rope.contains("mrope_section") && rope["mrope_section"].is_array()) {
      for (const json& part : rope["mrope_section"]) {
        if (!part.is_number_integer() || part < 0 || part > kWidth.maximum || text.mrope_section.size() == 3) {
          return keys.error("`{}.mrope_section` must hold three numbers of channels", name);
        }
        text.mrope_section.push_back(part.get<int64_t>());
      }
      break;
    }
  }
  int64_t sum = 0;
  for (const int64_t part : text.mrope_section) sum += part;
  if (!text.mrope_section.empty() && (text.mrope_section.size() != 3 || sum != text.head_dim / 2)) {
    keys.error("`mrope_section` has {} parts with sum {}, expected 3 parts with sum head_dim / 2 = {}",
               text.mrope_section.size(), sum, text.head_dim / 2);
  }
}

Result<TextConfig> parse_decoder(const json& object, const std::string& where, bool is_omni) {
  Keys keys(object, where);
  TextConfig text;
  text.hidden_size = keys.integer("hidden_size", std::nullopt, kWidth);
  text.intermediate_size = keys.integer("intermediate_size", std::nullopt, kInnerWidth);
  text.num_hidden_layers = keys.integer("num_hidden_layers", std::nullopt, kLayers);
  text.num_attention_heads = keys.integer("num_attention_heads", std::nullopt, kHeads);
  text.num_key_value_heads = keys.integer("num_key_value_heads", text.num_attention_heads, kHeads);
  text.head_dim = keys.integer("head_dim", std::max<int64_t>(text.hidden_size / text.num_attention_heads, 1), kWidth);
  text.vocab_size = keys.integer("vocab_size", std::nullopt, kVocabulary);
  text.max_position_embeddings = keys.integer("max_position_embeddings", 32768, kPositions);
  text.rms_norm_eps = keys.number("rms_norm_eps", 1e-6);
  if (text.num_attention_heads % text.num_key_value_heads != 0) {
    keys.error("`num_key_value_heads` {} does not divide `num_attention_heads` {}", text.num_key_value_heads,
               text.num_attention_heads);
  }
  if (text.head_dim % 2 != 0) keys.error("`head_dim` is {}, expected an even number", text.head_dim);
  keys.only("hidden_act", "silu");
  keys.only("use_sliding_window", false);
  keys.only("attention_dropout", 0);
  if (keys.has("layer_types")) {
    for (const json& type : keys.at("layer_types")) {
      if (type != "full_attention") {
        keys.error("`layer_types` holds {}, but only \"full_attention\" is supported", brief(type));
      }
    }
  }
  parse_rope(keys, text, is_omni);
  if (!keys.status()) return tl::unexpected(keys.status().error());
  return text;
}

Result<AudioConfig> parse_audio(const json& object, const std::string& where, int64_t text_hidden_size) {
  Keys keys(object, where);
  AudioConfig audio;
  audio.d_model = keys.integer("d_model", std::nullopt, {4, kWidth.maximum});
  audio.encoder_layers = keys.integer("encoder_layers", std::nullopt, kLayers);
  audio.encoder_attention_heads = keys.integer("encoder_attention_heads", std::nullopt, kHeads);
  audio.encoder_ffn_dim = keys.integer("encoder_ffn_dim", std::nullopt, kInnerWidth);
  audio.num_mel_bins = keys.integer("num_mel_bins", 128, kMelBins);
  audio.n_window = keys.integer("n_window", 100, kAudioPositions);
  audio.max_source_positions = keys.integer("max_source_positions", 1500, kAudioPositions);
  audio.output_dim = keys.integer("output_dim", std::nullopt, kWidth);
  if (audio.d_model % 2 != 0 || audio.d_model % audio.encoder_attention_heads != 0) {
    keys.error("`d_model` {} must be even and divisible by `encoder_attention_heads` {}", audio.d_model,
               audio.encoder_attention_heads);
  }
  if (audio.output_dim != text_hidden_size) {
    keys.error("`output_dim` is {}, expected text_config.hidden_size = {}", audio.output_dim, text_hidden_size);
  }
  if (audio.n_window > audio.max_source_positions) {
    keys.error("`n_window` {} exceeds `max_source_positions` {}", audio.n_window, audio.max_source_positions);
  }
  keys.only("activation_function", "gelu");
  keys.only("scale_embedding", false);
  for (const char* key : {"dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop"}) keys.only(key, 0);
  if (!keys.status()) return tl::unexpected(keys.status().error());
  return audio;
}

Result<const json*> child_object(const json& parent, const char* key, const std::string& where) {
  if (!parent.contains(key) || !parent.at(key).is_object()) {
    return fail(ErrorCode::kInvalidInput, "{}: `{}` is missing or not an object", where, key);
  }
  return &parent.at(key);
}

Status parse_thinker(const json& thinker, const std::string& where, ModelConfig& config) {
  PROSODIA_ASSIGN(const json* text, child_object(thinker, "text_config", where));
  PROSODIA_ASSIGN(config.text, parse_decoder(*text, where + ": text_config", true));
  PROSODIA_ASSIGN(const json* audio, child_object(thinker, "audio_config", where));
  PROSODIA_ASSIGN(config.audio, parse_audio(*audio, where + ": audio_config", config.text.hidden_size));
  Keys keys(thinker, where), text_keys(*text, where + ": text_config");
  // Libraries and exports disagree about which of the two counts; a head that is not stored needs one that says so.
  for (Keys* level : {&keys, &text_keys}) {
    const auto tie = level->boolean("tie_word_embeddings");
    if (tie) config.tie_word_embeddings = *tie || config.tie_word_embeddings.value_or(false);
  }
  PROSODIA_TRY(text_keys.status());
  const auto id = [&](const char* name, const char* alias, int32_t fallback) {
    return static_cast<int32_t>(keys.integer(keys.has(name) ? name : alias, fallback, kTokenId));
  };
  config.audio_token_id = id("audio_token_index", "audio_token_id", config.audio_token_id);
  config.audio_start_token_id = id("audio_start_token_id", "audio_start_token_id", config.audio_start_token_id);
  config.audio_end_token_id = id("audio_end_token_id", "audio_end_token_id", config.audio_end_token_id);
  config.image_token_id = id("image_token_index", "image_token_id", config.image_token_id);
  config.video_token_id = id("video_token_index", "video_token_id", config.video_token_id);
  config.vision_start_token_id = id("vision_start_token_id", "vision_start_token_id", config.vision_start_token_id);
  config.vision_end_token_id = id("vision_end_token_id", "vision_end_token_id", config.vision_end_token_id);
  keys.absent("quantization_config", "a quantized checkpoint");
  if (config.audio_token_id >= config.text.vocab_size) {
    keys.error("`audio_token_index` {} is not below vocab_size {}", config.audio_token_id, config.text.vocab_size);
  }
  return keys.status();
}

}  // namespace

Result<ModelConfig> ModelConfig::parse(const json& root, const std::string& name) {
  if (!root.is_object()) return fail(ErrorCode::kInvalidInput, "{}: expected a JSON object", name);
  ModelConfig config;
  config.source = root;
  const std::string type = root.contains("model_type") && root["model_type"].is_string() ? root["model_type"] : "";
  if (root.contains("quantization_config") && !root["quantization_config"].is_null()) {
    return fail(ErrorCode::kInvalidInput, "{}: `quantization_config`: a quantized checkpoint is not supported", name);
  }
  if (type == "qwen2_5_omni") {
    config.layout = ModelLayout::kOmni;
    PROSODIA_TRY(check_architectures(root, "Qwen2_5Omni", name));
    PROSODIA_ASSIGN(const json* thinker, child_object(root, "thinker_config", name));
    PROSODIA_TRY(parse_thinker(*thinker, name + ": thinker_config", config));
  } else if (type == "qwen2_5_omni_thinker") {
    config.layout = ModelLayout::kThinker;
    PROSODIA_TRY(check_architectures(root, "Thinker", name));
    PROSODIA_TRY(parse_thinker(root, name, config));
  } else if (type == "qwen2") {
    config.layout = ModelLayout::kQwen2;
    PROSODIA_TRY(check_architectures(root, "Qwen2ForCausalLM", name));
    PROSODIA_ASSIGN(config.text, parse_decoder(root, name, false));
    Keys keys(root, name);
    config.tie_word_embeddings = keys.boolean("tie_word_embeddings");
    config.audio_token_id = config.audio_start_token_id = config.audio_end_token_id = -1;
    config.image_token_id = config.video_token_id = config.vision_start_token_id = config.vision_end_token_id = -1;
    PROSODIA_TRY(keys.status());
  } else {
    return fail(ErrorCode::kInvalidInput,
                "{}: `model_type` is \"{}\", expected \"qwen2_5_omni\", \"qwen2_5_omni_thinker\" or \"qwen2\"", name,
                type);
  }
  return config;
}

Result<ModelConfig> ModelConfig::load(const std::filesystem::path& model_dir) {
  const std::filesystem::path path = model_dir / "config.json";
  std::ifstream file(path);
  if (!file) {
    std::error_code ignored;
    const bool is_run = std::filesystem::is_directory(model_dir / "checkpoints", ignored);
    return fail(ErrorCode::kInvalidInput, "{}: cannot be read. {}", path.string(),
                is_run ? "This is a run folder: name one of its checkpoints/step-NNNNNN"
                       : "--model takes a Hugging Face model folder");
  }
  std::stringstream text;
  text << file.rdbuf();
  return parse_text(text.str(), path.string());
}

Result<ModelConfig> ModelConfig::parse_text(std::string_view text, const std::string& name) {
  PROSODIA_ASSIGN(const json root, parse_json(text, name));
  return parse(root, name);
}

}  // namespace prosodia
