// config.json of a speech language model, in the three layouts Prosodia accepts (facts: Qwen2.5-Omni):
//   kOmni     the whole Qwen2.5-Omni; the Thinker sits under `thinker_config`, its tensors under `thinker.`
//   kThinker  a Thinker-only export; the same fields at the root, no tensor prefix
//   kQwen2    a plain Qwen2 text model; no audio tower
// Both spellings are read: `torch_dtype`/`dtype`, `rope_theta` + `rope_scaling` / `rope_parameters`.
//
// Called by everything that opens a model folder. Value types. Failure: a value the forward does not implement (another
// rope type, sliding windows, another activation, …) is refused by key name with kInvalidInput; it is never ignored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "data/store/safetensors.h"

namespace prosodia {

enum class ModelLayout { kOmni, kThinker, kQwen2 };

// The audio tower (`audio_config`). Defaults are Qwen2.5-Omni's.
struct AudioConfig {
  int64_t d_model = 1280;                // channels of the tower
  int64_t encoder_layers = 32;           // transformer layers
  int64_t encoder_attention_heads = 20;  // d_model must be divisible by it
  int64_t encoder_ffn_dim = 5120;        // inner width of the feed-forward part
  int64_t num_mel_bins = 128;            // channels of the log-mel input
  int64_t n_window = 100;                // half a chunk: the tower sees 2 * n_window mel frames at a time
  int64_t max_source_positions = 1500;   // rows of the sinusoid table; one chunk uses n_window of them
  int64_t output_dim = 3584;             // must equal the decoder's hidden_size
  int64_t head_dim() const { return d_model / encoder_attention_heads; }
};

// The decoder (`text_config`, or the root of a plain Qwen2).
struct TextConfig {
  int64_t hidden_size = 3584;
  int64_t intermediate_size = 18944;
  int64_t num_hidden_layers = 28;
  int64_t num_attention_heads = 28;
  int64_t num_key_value_heads = 4;  // divides num_attention_heads
  int64_t head_dim = 128;           // hidden_size / num_attention_heads unless the key is present; even
  int64_t vocab_size = 152064;      // rows of the embedding; may exceed the tokenizer's size
  int64_t max_position_embeddings = 32768;
  double rms_norm_eps = 1e-6;
  double rope_theta = 1e6;
  std::vector<int64_t> mrope_section;  // sums to head_dim / 2; empty for plain Qwen2. Without images and video it has
                                       // no effect on the forward: the three position rows are equal
};

struct ModelConfig {
  ModelLayout layout = ModelLayout::kThinker;
  TextConfig text;
  std::optional<AudioConfig> audio;         // absent for plain Qwen2
  std::optional<bool> tie_word_embeddings;  // what the file says; unset = it says nothing (library defaults disagree)

  int32_t audio_token_id = 151646;  // <|AUDIO|>, the placeholder that audio embeddings overwrite
  int32_t audio_start_token_id = 151647;
  int32_t audio_end_token_id = 151648;
  int32_t image_token_id = 151655;
  int32_t video_token_id = 151656;
  int32_t vision_start_token_id = 151652;
  int32_t vision_end_token_id = 151653;

  nlohmann::json source;  // the file as read, so that a save keeps keys we do not interpret

  // Reads DIR/config.json. kInvalidInput: missing file, bad JSON, wrong type, unsupported value; the message names the
  // key.
  static Result<ModelConfig> load(const std::filesystem::path& model_dir);
  // The same from parsed JSON; `name` is the file named in messages.
  static Result<ModelConfig> parse(const nlohmann::json& json, const std::string& name);
  // The same from the file's text.
  static Result<ModelConfig> parse_text(std::string_view text, const std::string& name);
  // What a save writes as config.json: `source` when the model was loaded, otherwise a fresh Thinker or Qwen2 file.
  nlohmann::json to_json() const;
  // Tensor name prefix in files of this layout: "thinker." or "".
  std::string tensor_prefix() const { return layout == ModelLayout::kOmni ? "thinker." : ""; }
};

// Write one fact into a config.json of any layout, wherever the file already states it, in its own spelling.
void set_dtype(nlohmann::json& config, DType dtype);  // `dtype` or `torch_dtype`; F64, F32, F16 or BF16
void set_tied(nlohmann::json& config, bool tied);     // `tie_word_embeddings`

}  // namespace prosodia
