// Where the tensors are that a model folder does not carry.
//
// A Qwen2.5-Omni folder holds more than the forward reads: the vision tower, the talker, token2wav. Training never
// touches them, so checkpoints do not store them again at every save; base_model.json in the checkpoint says which
// folder has them, and `export` copies them from there. A checkpoint without them loads, trains and evaluates as usual.
//
// Called by Model::load/save and export. Pure functions over files. Failure: a malformed file is kInvalidInput.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "data/base/status.h"
#include "data/store/model_tensors.h"

namespace prosodia {

inline constexpr const char* kBaseModelFile = "base_model.json";

struct BaseModel {
  std::filesystem::path dir;  // absolute
  uint64_t num_tensors = 0;   // that no forward reads, in that folder
  uint64_t num_bytes = 0;
  std::string digest;  // of their names, types and shapes: export notices another folder in this place
  friend bool operator==(const BaseModel&, const BaseModel&) = default;
};

// Describes tensors `names` of an open folder.
BaseModel describe_base(const ShardedTensors& tensors, const std::vector<std::string>& names);

// What DIR/base_model.json says; nothing when there is no such file.
Result<std::optional<BaseModel>> read_base_model(const std::filesystem::path& dir);
// Durable on OK. Nothing to record removes an earlier file.
Status write_base_model(const std::filesystem::path& dir, const std::optional<BaseModel>& base);

}  // namespace prosodia
