// Options that SFT and GRPO share: the optimizer's, and which parts of the model train (the words of --freeze).
// No torch here: the command line reads this header. Value types; pure functions.
#pragma once

#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.0;   // not applied to biases and norms
  double max_grad_norm = 1.0;  // 0 = no clipping
};

enum class ModelPart { kAudioTower, kProjector, kDecoder, kEmbeddings };
std::string_view name(ModelPart part);  // "audio_tower", "projector", "decoder", "embeddings"
Result<ModelPart> parse_model_part(std::string_view text);
Result<std::vector<ModelPart>> parse_model_parts(std::string_view comma_separated);  // "" = none

// By Hugging Face name: audio_tower.proj and ln_post -> projector; other audio_tower.* -> audio tower; embed_tokens and
// lm_head -> embeddings; the rest -> decoder.
ModelPart part_of(std::string_view parameter_name);
// Audio tower and projector both frozen: a clip's embeddings are constants.
bool audio_is_frozen(const std::vector<ModelPart>& freeze);

}  // namespace prosodia
