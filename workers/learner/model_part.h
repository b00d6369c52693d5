// Which part of the model a parameter belongs to, and which parts train: the words of --freeze.
// Callers: sft, grpo_step. Pure but for select_trainable, which sets requires_grad; single thread.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "workers/model/model.h"

namespace prosodia {

enum class ModelPart { kAudioTower, kProjector, kDecoder, kEmbeddings };
std::string_view name(ModelPart part);  // "audio_tower", "projector", "decoder", "embeddings"
Result<ModelPart> parse_model_part(std::string_view text);
Result<std::vector<ModelPart>> parse_model_parts(std::string_view comma_separated);  // "" = none

// By Hugging Face name: audio_tower.proj and ln_post -> projector; other audio_tower.* -> audio tower; embed_tokens and
// lm_head -> embeddings; the rest -> decoder.
ModelPart part_of(std::string_view parameter_name);

// Sets requires_grad on every parameter and returns those that train, in the model's order.
std::vector<NamedParameter> select_trainable(Model& model, std::span<const ModelPart> frozen);

}  // namespace prosodia
