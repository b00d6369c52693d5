// Export: a model folder, or a run's checkpoint, becomes a complete Hugging Face folder that transformers loads.
//
// Weights go from mapped file to file tensor by tensor; no model is built, and no more than one piece of a tensor (one
// whole tensor where an edit changes it) is in memory. Tensors that no forward reads are copied bit for bit, from the
// folder itself or from the base model that the checkpoint records.
//
// Called by the export command. Single thread. Failure: kUsage for an output folder that is in the way; kInvalidInput
// for a folder that does not fit its config or its base; kCorruption for a damaged checkpoint; kStorage while writing.
// The output folder appears whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "data/base/status.h"
#include "data/store/model_tensors.h"

namespace at {
class Tensor;
}

namespace prosodia {

// Changes tensors on their way out; how an adapter is merged. Names are those of Model::parameters(), without
// `thinker.`.
class ExportEdit {
 public:
  virtual ~ExportEdit() = default;
  // Once, before anything is written: is this edit for a model with such tensors?
  virtual Status check(std::span<const ExpectedTensor> parameters) = 0;
  virtual bool touches(std::string_view name) const = 0;
  // `weight`: float32, CPU, contiguous, the exact stored values; changed in place, then converted to the output dtype.
  virtual Status apply(std::string_view name, at::Tensor& weight) = 0;
};

struct ExportOptions {
  std::optional<DType> dtype;  // of the model's own tensors: F32 or BF16; unset = as stored
  uint64_t max_shard_bytes = kDefaultMaxShardBytes;
  std::filesystem::path base_model;  // has the tensors that `model_dir` lacks; empty = the folder it records
  ExportEdit* edit = nullptr;        // not owned
};

struct ExportReport {
  uint64_t num_tensors = 0;
  uint64_t num_bytes = 0;      // of tensor data
  uint64_t num_edited = 0;     // tensors that the edit changed
  uint64_t num_from_base = 0;  // tensors copied from `base`
  std::filesystem::path base;  // empty when nothing came from another folder
};

// A run's checkpoint says in its manifest what its files must hash to: kCorruption when they do not. (A copy under
// another name is no longer a checkpoint, and any other folder passes.)
Status check_checkpoint(const std::filesystem::path& model_dir);

// Writes `output_dir` (must not exist, or be empty): weights, config.json, tokenizer, preprocessor and generation
// files.
Result<ExportReport> export_model(const std::filesystem::path& model_dir, const std::filesystem::path& output_dir,
                                  const ExportOptions& options = {});

}  // namespace prosodia
