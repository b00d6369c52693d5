// The tensors of adapter_model.safetensors under the model's names. Internal to workers/model: loading and merging both
// start here.
//
// File names: base_model.model.[thinker.]MODULE.lora_A.weight [rank, inputs] and .lora_B.weight [outputs, rank];
// modules_to_save: base_model.model.[thinker.]NAME. Failure: kInvalidInput naming file and tensor. Immutable.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/store/safetensors.h"

namespace prosodia {

inline constexpr std::string_view kPeftPrefix = "base_model.model.", kThinkerPrefix = "thinker.",
                                  kLoraA = ".lora_A.weight", kLoraB = ".lora_B.weight";

// Of towers that no forward here runs: "visual.…", "talker.…", "token2wav.…".
bool is_other_tower(std::string_view name);

class AdapterTensors {
 public:
  static Result<AdapterTensors> open(const std::filesystem::path& adapter_dir);

  const std::map<std::string, const TensorView*, std::less<>>& by_name() const { return by_name_; }
  const std::filesystem::path& path() const { return file_->path(); }
  // A new CPU tensor in the stored dtype; refused unless it has this shape.
  Result<at::Tensor> read(const TensorView& view, const std::vector<int64_t>& shape) const;

  struct Pair {
    at::Tensor a_RK, b_NR;
  };
  // A and B of the weight [outputs, inputs] of a module; nothing when it has no adapter; an error for half a pair.
  Result<std::optional<Pair>> pair(const std::string& module, const std::vector<int64_t>& weight_shape,
                                   int64_t rank) const;

 private:
  std::shared_ptr<const SafetensorsFile> file_;
  std::map<std::string, const TensorView*, std::less<>> by_name_;
};

}  // namespace prosodia
