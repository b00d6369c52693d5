// What must not change between an SFT run and its continuation, under the names its options have on the command line,
// and the comparison that names the first difference. Caller: sft.cc, and its tests. Pure but for reading the files
// whose contents count (datasets; the model by model_identity).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/base/json_difference.h"
#include "data/base/status.h"
#include "workers/learner/sft.h"
#include "workers/model/model.h"

namespace prosodia {

// What the options alone do not say of a stage.
struct SftStageFacts {
  int64_t global_batch = 0;
  int64_t max_steps = 0;
};

Result<nlohmann::json> sft_identity(const SftOptions& options, std::span<const SftStage> stages,
                                    std::span<const SftStageFacts> facts, const Model& model);

// Keys are options: "learning_rate", "stage 2 (coldstart): learning_rate".
std::optional<JsonDifference> first_difference(const nlohmann::json& before, const nlohmann::json& now);

}  // namespace prosodia
