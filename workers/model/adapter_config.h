// adapter_config.json as the peft package writes it.
// Failure: kInvalidInput naming the file and key. What changes the formula and is not implemented (DoRA, biases, rank
// patterns, adapters that start from a changed base, …) is refused, never ignored. Value types.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "workers/model/lora.h"

namespace prosodia {

struct AdapterConfig {
  LoraOptions options;         // r, lora_alpha, use_rslora; which modules have an adapter is what the tensors say
  std::filesystem::path base;  // base_model_name_or_path as written
  nlohmann::json source;       // the file as read, so that a save keeps keys we do not interpret

  static Result<AdapterConfig> load(const std::filesystem::path& adapter_dir);
};

// What a save writes for a fresh adapter. `prefix` is "thinker." or "".
nlohmann::json peft_config(const LoraOptions& options, const std::filesystem::path& base, bool is_text_model,
                           std::string_view prefix);

}  // namespace prosodia
