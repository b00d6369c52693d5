#include "workers/model/policy_weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "workers/model/weights.h"

namespace prosodia {

Result<PolicyWeights> PolicyWeights::create(Model& model, const FreezeSpec& freeze) {
  std::vector<std::string> names;
  for (const NamedParameter& parameter : model.parameters()) names.push_back(parameter.name);
  PROSODIA_TRY(freeze.check(names));
  PolicyWeights weights;
  for (const NamedParameter& parameter : model.parameters()) {
    const bool open = !model.has_adapter() || model.in_adapter(parameter.name);
    const bool changes = open && !freeze.freezes(parameter.name);
    (changes ? weights.changing_ : weights.frozen_).push_back(parameter);
  }
  if (weights.changing_.empty())
    return fail(ErrorCode::kUsage, "freeze: every part is frozen, nothing trains. Next: leave a word out of --freeze");
  return weights;
}

bool PolicyWeights::audio_changes() const {
  return std::any_of(changing_.begin(), changing_.end(),
                     [](const NamedParameter& parameter) { return parameter.name.starts_with("audio_tower."); });
}

bool PolicyWeights::only_adapter() const {
  return std::all_of(changing_.begin(), changing_.end(), [](const NamedParameter& parameter) {
    return parameter.name.ends_with(".lora_A.weight") || parameter.name.ends_with(".lora_B.weight");
  });
}

const Digest& PolicyWeights::frozen_digest() const {
  if (!frozen_digest_) frozen_digest_ = digest_weights(pack_tensors(frozen_));
  return *frozen_digest_;
}

std::vector<std::byte> PolicyWeights::pack() const {
  if (frozen_.empty()) return pack_tensors(changing_);
  const auto prefix = std::as_bytes(std::span(frozen_digest().bytes));
  std::vector<std::byte> packed(prefix.begin(), prefix.end());
  append_tensors(changing_, packed);
  return packed;
}

Status PolicyWeights::unpack(std::span<const std::byte> packed) {
  if (!frozen_.empty()) {
    const auto mine = std::as_bytes(std::span(frozen_digest().bytes));
    const bool same = packed.size() >= mine.size() && std::equal(mine.begin(), mine.end(), packed.begin());
    if (!same)
      return fail(ErrorCode::kInvalidInput,
                  "the learner's weights belong to another base model or other frozen parts than this worker's. Next: "
                  "start both from the same model folder and options");
    packed = packed.subspan(mine.size());
  }
  return unpack_tensors(packed, changing_);
}

}  // namespace prosodia
