#include "workers/learner/train_options.h"

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

bool audio_is_frozen(const std::vector<ModelPart>& freeze) {
  const auto has = [&](ModelPart part) { return std::find(freeze.begin(), freeze.end(), part) != freeze.end(); };
  return has(ModelPart::kAudioTower) && has(ModelPart::kProjector);
}

}  // namespace prosodia
