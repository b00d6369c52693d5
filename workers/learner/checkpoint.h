// Training state inside a CheckpointStore directory: what makes a resumed run bit-exact.
//
//   step-NNNNNN/  a Hugging Face folder (model.safetensors, config.json, tokenizer files …), or with an adapter peft's
//                 (adapter_model.safetensors, adapter_config.json …); either is good for every command's --model
//                 optimizer-RRRRR-of-NNNNN.safetensors   one per rank: exp_avg, exp_avg_sq, master of its shard
//                 policy-VVVVVVVV.bin                    packed weights of earlier versions still served (lag > 0)
//                 state.json                             step, optimizer step, the caller's own object
//
// Every rank calls; rank 0 writes the model and commits after all ranks have written. Any number of ranks can load what
// any number saved. Thread rule: as Collective. Failure rule: kStorage while writing (nothing is committed),
// kCorruption or kInvalidInput while loading, the same on every rank.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "data/base/status.h"
#include "data/store/checkpoint_dir.h"
#include "workers/learner/collective.h"
#include "workers/learner/grpo_outcome.h"
#include "workers/learner/optimizer.h"
#include "workers/model/model.h"

namespace prosodia {

struct TrainingState {
  int64_t step = 0;                          // optimizer steps done = policy version
  nlohmann::json extra;                      // the caller's: schedules, digests, data cursor
  std::map<uint64_t, PackedWeights> policy;  // earlier versions to serve; rank 0 only, empty elsewhere
};

struct CheckpointRetention {
  int newest = 2;                                  // >= 1
  std::optional<uint64_t> besides = std::nullopt;  // a step that stays although it is older: the best one
};

// Commits step-NNNNNN and then removes what `keep` does not name. `files_from` is the model folder whose tokenizer
// files go along.
Result<std::filesystem::path> save_checkpoint(CheckpointStore& store, Collective& collective, const Model& model,
                                              const AdamW& optimizer, const TrainingState& state,
                                              const std::filesystem::path& files_from, const CheckpointRetention& keep);

// The folder of the newest valid checkpoint, the same on every rank; nothing when there is none.
Result<std::optional<std::filesystem::path>> find_checkpoint(CheckpointStore& store, Collective& collective);

// The caller's own object alone: to be checked before anything is loaded. kCorruption when state.json is none.
Result<nlohmann::json> read_training_extra(const std::filesystem::path& dir);

// After Model::load_values(dir): restores the optimizer (re-cut to this number of ranks) and returns the rest.
Result<TrainingState> load_training_state(const std::filesystem::path& dir, Collective& collective, AdamW& optimizer);

}  // namespace prosodia
