#include "workers/learner/model_part.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace prosodia {

std::string_view name(ModelPart part) {
  switch (part) {
    case ModelPart::kAudioTower:
      return "audio_tower";
    case ModelPart::kProjector:
      return "projector";
    case ModelPart::kDecoder:
      return "decoder";
    case ModelPart::kEmbeddings:
      return "embeddings";
  }
  return "?";
}

Result<ModelPart> parse_model_part(std::string_view text) {
  for (const auto part : {ModelPart::kAudioTower, ModelPart::kProjector, ModelPart::kDecoder, ModelPart::kEmbeddings})
    if (text == name(part)) return part;
  return fail(ErrorCode::kUsage, "freeze '{}': expected audio_tower, projector, decoder or embeddings", text);
}

Result<std::vector<ModelPart>> parse_model_parts(std::string_view comma_separated) {
  std::vector<ModelPart> parts;
  while (!comma_separated.empty()) {
    const size_t comma = comma_separated.find(',');
    PROSODIA_ASSIGN(const ModelPart part, parse_model_part(comma_separated.substr(0, comma)));
    parts.push_back(part);
    comma_separated = comma == std::string_view::npos ? std::string_view{} : comma_separated.substr(comma + 1);
  }
  return parts;
}

ModelPart part_of(std::string_view parameter_name) {
  const auto has = [&](std::string_view text) { return parameter_name.find(text) != std::string_view::npos; };
  if (has("audio_tower.proj.") || has("audio_tower.ln_post.")) return ModelPart::kProjector;
  if (has("audio_tower.")) return ModelPart::kAudioTower;
  if (has("embed_tokens.") || has("lm_head.")) return ModelPart::kEmbeddings;
  return ModelPart::kDecoder;
}

std::vector<NamedParameter> select_trainable(Model& model, std::span<const ModelPart> frozen) {
  std::vector<NamedParameter> trainable;
  for (auto& parameter : model.parameters()) {
    const bool trains = std::find(frozen.begin(), frozen.end(), part_of(parameter.name)) == frozen.end();
    parameter.tensor.set_requires_grad(trains);
    if (trains) trainable.push_back(parameter);
  }
  return trainable;
}

}  // namespace prosodia
