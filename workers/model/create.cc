#include "workers/model/create.h"

#include <nlohmann/json.hpp>

#include "data/store/atomic_file.h"
#include "workers/model/model.h"

namespace prosodia {
namespace {

// Sums to head_dim / 2 in the proportions of the published model (2 : 3 : 3).
std::vector<int64_t> mrope_section(int64_t head_dim) {
  const int64_t half = head_dim / 2, temporal = half / 4, height = (half - temporal + 1) / 2;
  return {temporal, height, half - temporal - height};
}

// WhisperFeatureExtractor as the published model configures it.
nlohmann::json preprocessor_json(const AudioConfig& audio) {
  return {{"feature_extractor_type", "WhisperFeatureExtractor"},
          {"processor_class", "Qwen2_5OmniProcessor"},
          {"feature_size", audio.num_mel_bins},
          {"sampling_rate", 16000},
          {"n_fft", 400},
          {"hop_length", 160},
          {"chunk_length", 300},
          {"n_samples", 4800000},
          {"nb_max_frames", 30000},
          {"padding_side", "right"},
          {"padding_value", 0.0},
          {"dither", 0.0},
          {"return_attention_mask", true}};
}

Result<int32_t> required_id(const Tokenizer& tokenizer, std::string_view token) {
  const auto id = tokenizer.token_id(token);
  if (!id) return fail(ErrorCode::kUsage, "the tokenizer has no {}: train it with omni_added_tokens()", token);
  return *id;
}

}  // namespace

Result<ModelConfig> make_config(const CreateOptions& options, const Tokenizer& tokenizer) {
  ModelConfig config;
  config.layout = ModelLayout::kThinker;
  TextConfig& text = config.text;
  text.hidden_size = options.text_hidden;
  text.intermediate_size = options.text_intermediate;
  text.num_hidden_layers = options.text_layers;
  text.num_attention_heads = options.text_heads;
  text.num_key_value_heads = options.text_kv_heads;
  text.head_dim = options.text_hidden / std::max<int64_t>(options.text_heads, 1);
  text.vocab_size = tokenizer.vocab_size();
  text.max_position_embeddings = options.max_position_embeddings;
  if (text.head_dim >= 2) text.mrope_section = mrope_section(text.head_dim);
  AudioConfig audio;
  audio.d_model = options.audio_d_model;
  audio.encoder_layers = options.audio_layers;
  audio.encoder_attention_heads = options.audio_heads;
  audio.encoder_ffn_dim = 4 * options.audio_d_model;
  audio.output_dim = options.text_hidden;
  config.audio = audio;
  config.tie_word_embeddings = options.tie_word_embeddings;
  PROSODIA_ASSIGN(config.audio_token_id, required_id(tokenizer, kAudio));
  PROSODIA_ASSIGN(config.audio_start_token_id, required_id(tokenizer, kAudioBos));
  PROSODIA_ASSIGN(config.audio_end_token_id, required_id(tokenizer, kAudioEos));
  PROSODIA_ASSIGN(config.image_token_id, required_id(tokenizer, "<|IMAGE|>"));
  PROSODIA_ASSIGN(config.video_token_id, required_id(tokenizer, "<|VIDEO|>"));
  PROSODIA_ASSIGN(config.vision_start_token_id, required_id(tokenizer, "<|vision_bos|>"));
  PROSODIA_ASSIGN(config.vision_end_token_id, required_id(tokenizer, "<|vision_eos|>"));
  if (options.text_hidden != text.head_dim * options.text_heads) {
    return fail(ErrorCode::kUsage, "text hidden {} is not divisible by {} heads", options.text_hidden,
                options.text_heads);
  }
  // The same checks as for a file, and `source` becomes what a save writes.
  auto checked = ModelConfig::parse(config.to_json(), "new model");
  if (!checked) return fail(ErrorCode::kUsage, "{}", checked.error().message);
  return checked;
}

Status create_model_dir(const CreateOptions& options, const Tokenizer& tokenizer,
                        const std::filesystem::path& model_dir) {
  PROSODIA_ASSIGN(const ModelConfig config, make_config(options, tokenizer));
  PROSODIA_ASSIGN(const int32_t im_end, required_id(tokenizer, kImEnd));
  PROSODIA_ASSIGN(const int32_t end_of_text, required_id(tokenizer, kEndOfText));
  FileSystem& files = posix_file_system();
  PROSODIA_TRY(files.create_dirs(model_dir));
  PROSODIA_TRY(tokenizer.save(model_dir));
  const nlohmann::json generation = {
      {"eos_token_id", {im_end, end_of_text}}, {"pad_token_id", end_of_text}, {"bos_token_id", end_of_text}};
  PROSODIA_TRY(write_file_atomic(files, model_dir / "generation_config.json", generation.dump(2) + "\n"));
  PROSODIA_TRY(write_file_atomic(files, model_dir / "preprocessor_config.json",
                                 preprocessor_json(*config.audio).dump(2) + "\n"));
  return Model::random(config, options.seed)->save(model_dir);
}

}  // namespace prosodia
