#include "workers/model/lora.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace prosodia {
namespace {

constexpr std::string_view kAllLinear = "all-linear", kAudio = "audio_tower.";
constexpr std::array<std::string_view, 7> kDecoderLinears = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                             "gate_proj", "up_proj", "down_proj"};
constexpr std::array<std::string_view, 6> kAudioLinears = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"};

template <class Range>
bool contains(const Range& range, std::string_view value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

bool is_known_target(std::string_view target) {
  if (target == kAllLinear || contains(kDecoderLinears, target)) return true;
  if (!target.starts_with(kAudio)) return false;
  target.remove_prefix(kAudio.size());
  return target == kAllLinear || target == "proj" || contains(kAudioLinears, target);
}

std::string_view last_part(std::string_view module_name) { return module_name.substr(module_name.rfind('.') + 1); }

// The linears of decoder layers, or of the audio tower's layers, that the options name, in a fixed order.
template <class Range>
std::vector<std::string> chosen(const LoraOptions& options, const Range& known, std::string_view prefix) {
  std::vector<std::string> names;
  for (const std::string_view name : known) {
    const bool all = contains(options.target_modules, fmt::format("{}{}", prefix, kAllLinear));
    if (all || contains(options.target_modules, fmt::format("{}{}", prefix, name))) names.emplace_back(name);
  }
  return names;
}

}  // namespace

double LoraOptions::scaling() const {
  return lora_alpha / (use_rslora ? std::sqrt(static_cast<double>(r)) : static_cast<double>(r));
}

Status validate(const LoraOptions& options) {
  if (options.r < 1 || options.r > 4096)
    return fail(ErrorCode::kUsage, "lora_r {}: expected a rank from 1 to 4096", options.r);
  if (!(options.lora_alpha > 0))
    return fail(ErrorCode::kUsage, "lora_alpha {}: expected a positive number", options.lora_alpha);
  if (options.target_modules.empty()) return fail(ErrorCode::kUsage, "lora_target_modules: names no layer");
  for (const std::string& target : options.target_modules) {
    if (!is_known_target(target))
      return fail(ErrorCode::kUsage,
                  "lora_target_modules '{}': expected all-linear, {}, audio_tower.all-linear, audio_tower.{} or "
                  "audio_tower.proj",
                  target, fmt::join(kDecoderLinears, ", "), fmt::join(kAudioLinears, ", audio_tower."));
  }
  for (const std::string& part : options.modules_to_save) {
    if (modules_of_part(part).empty())
      return fail(ErrorCode::kUsage, "lora_modules_to_save '{}': expected projector, embeddings or lm_head", part);
    if (part == "projector" && targets(options, "audio_tower.proj"))
      return fail(ErrorCode::kUsage,
                  "lora_modules_to_save 'projector': lora_target_modules puts an adapter on it. Next: leave one out");
  }
  return {};
}

bool targets(const LoraOptions& options, std::string_view module_name) {
  const bool audio = module_name.starts_with(kAudio);
  const std::string_view prefix = audio ? kAudio : "";
  return contains(options.target_modules, fmt::format("{}{}", prefix, kAllLinear)) ||
         contains(options.target_modules, fmt::format("{}{}", prefix, last_part(module_name)));
}

PeftTargets peft_targets(const LoraOptions& options, bool is_text_model, std::string_view prefix) {
  const auto decoder = chosen(options, kDecoderLinears, "");
  if (is_text_model) return {decoder, ""};
  const std::string_view escaped = prefix.empty() ? "" : R"(thinker\.)";
  std::vector<std::string> patterns;
  if (!decoder.empty())
    patterns.push_back(fmt::format(R"({}model\.layers\.\d+\.(self_attn|mlp)\.({}))", escaped, fmt::join(decoder, "|")));
  const auto audio = chosen(options, kAudioLinears, kAudio);
  if (!audio.empty())
    patterns.push_back(
        fmt::format(R"({}audio_tower\.layers\.\d+\.(self_attn\.)?({}))", escaped, fmt::join(audio, "|")));
  if (targets(options, "audio_tower.proj")) patterns.push_back(fmt::format(R"({}audio_tower\.proj)", escaped));
  return {{}, fmt::format("{}", fmt::join(patterns, "|"))};
}

std::vector<std::string> modules_of_part(std::string_view part) {
  if (part == "projector") return {"audio_tower.ln_post", "audio_tower.proj"};
  if (part == "embeddings") return {"embed_tokens"};
  if (part == "lm_head") return {"lm_head"};
  return {};
}

}  // namespace prosodia
