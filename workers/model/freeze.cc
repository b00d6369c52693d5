#include "workers/model/freeze.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace prosodia {
namespace {

constexpr std::array<std::string_view, 6> kParts = {"audio_tower", "projector", "decoder",
                                                    "embeddings",  "lm_head",   "norm"};
constexpr std::string_view kKnown =
    "audio_tower, projector, decoder, embeddings, lm_head, norm, layers.N, layers.N-M, audio_tower.layers.N or "
    "audio_tower.layers.N-M";
constexpr std::string_view kDecoderLayers = "layers.", kAudioLayers = "audio_tower.layers.";

struct LayerRange {
  std::string_view prefix;  // of parameter names, up to the layer's number
  int64_t first = 0, last = 0;
};

// The number that `text` starts with; it is cut off.
std::optional<int64_t> take_number(std::string_view& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0 || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

std::optional<LayerRange> parse_range(std::string_view word) {
  LayerRange range;
  if (word.starts_with(kDecoderLayers)) {
    range.prefix = "model.layers.";
    word.remove_prefix(kDecoderLayers.size());
  } else if (word.starts_with(kAudioLayers)) {
    range.prefix = kAudioLayers;
    word.remove_prefix(kAudioLayers.size());
  } else {
    return std::nullopt;
  }
  if (word.empty()) return std::nullopt;
  const auto first = take_number(word);
  if (!first) return std::nullopt;
  range.first = range.last = *first;
  if (word.empty()) return range;
  if (!word.starts_with('-') || word.size() < 2) return std::nullopt;
  word.remove_prefix(1);
  const auto last = take_number(word);
  if (!last || !word.empty() || *last < *first) return std::nullopt;
  range.last = *last;
  return range;
}

bool in_range(const LayerRange& range, std::string_view name) {
  if (!name.starts_with(range.prefix)) return false;
  name.remove_prefix(range.prefix.size());
  const auto layer = name.empty() ? std::nullopt : take_number(name);
  return layer && *layer >= range.first && *layer <= range.last;
}

}  // namespace

bool covers(std::string_view word, std::string_view name) {
  const bool projector = name.starts_with("audio_tower.proj.") || name.starts_with("audio_tower.ln_post.");
  const bool norm = name.starts_with("model.norm.");
  if (word == "audio_tower") return name.starts_with("audio_tower.") && !projector;
  if (word == "projector") return projector;
  if (word == "decoder") return norm || name.starts_with("model.layers.");
  if (word == "embeddings") return name.starts_with("model.embed_tokens.");
  if (word == "lm_head") return name.starts_with("lm_head.");
  if (word == "norm") return norm;
  const auto range = parse_range(word);
  return range && in_range(*range, name);
}

Result<FreezeSpec> FreezeSpec::parse(std::string_view text) {
  FreezeSpec spec;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    const std::string_view word = text.substr(0, comma);
    if (std::find(kParts.begin(), kParts.end(), word) == kParts.end() && !parse_range(word)) {
      return fail(ErrorCode::kUsage, "freeze '{}': expected {}", word, kKnown);
    }
    spec.words_.emplace_back(word);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return spec;
}

bool FreezeSpec::freezes(std::string_view parameter_name) const {
  return std::any_of(words_.begin(), words_.end(),
                     [&](const std::string& word) { return covers(word, parameter_name); });
}

Status FreezeSpec::check(const std::vector<std::string>& parameter_names) const {
  for (const std::string& word : words_) {
    const auto matches = [&](const std::string& name) { return covers(word, name); };
    if (std::any_of(parameter_names.begin(), parameter_names.end(), matches)) continue;
    const std::string_view hint = word == "lm_head" ? "its head is tied to the embeddings: freeze those"
                                                    : "name a part that it has, or leave the word out";
    return fail(ErrorCode::kUsage, "freeze '{}': this model has no such parameter. Next: {}", word, hint);
  }
  return {};
}

}  // namespace prosodia
