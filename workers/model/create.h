// Builds a fresh, tiny Qwen2.5-Omni Thinker folder (random weights) around a given tokenizer: the demo's starting
// point. transformers' AutoConfig and Qwen2_5OmniThinkerForConditionalGeneration read the folder; the vision tower,
// which we do not have, keeps that library's own initial values.
#pragma once

#include <cstdint>
#include <filesystem>

#include "data/base/status.h"
#include "data/text/tokenizer.h"
#include "workers/model/config.h"

namespace prosodia {

struct CreateOptions {
  int64_t audio_d_model = 128;  // channels; divisible by audio_heads
  int64_t audio_layers = 2;
  int64_t audio_heads = 4;
  int64_t text_hidden = 128;  // channels
  int64_t text_layers = 4;
  int64_t text_heads = 4;     // divides text_hidden
  int64_t text_kv_heads = 2;  // divides text_heads
  int64_t text_intermediate = 384;
  int64_t max_position_embeddings = 4096;  // tokens
  bool tie_word_embeddings = true;
  uint64_t seed = 0;
};

// The config such a folder gets; kUsage when the sizes do not fit together.
Result<ModelConfig> make_config(const CreateOptions& options, const Tokenizer& tokenizer);
// Writes config.json, model.safetensors, preprocessor_config.json, generation_config.json and the tokenizer files.
Status create_model_dir(const CreateOptions& options, const Tokenizer& tokenizer,
                        const std::filesystem::path& model_dir);

}  // namespace prosodia
