// A Hugging Face model folder, opened and checked, before anything is read into tensors. Private to workers/model:
// Model::load and export both start here, so both mean the same by a model's own tensors.
//
// Immutable once opened; thread-safe. Failure: kInvalidInput naming every missing, misshaped or extra tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "data/store/model_tensors.h"
#include "workers/model/config.h"

namespace prosodia {

struct ModelFolder {
  ModelConfig config;
  ShardedTensors tensors;            // keeps the files mapped
  std::string prefix;                // "thinker." or "": what the files put in front of our names
  bool tied = false;                 // the head is the embedding
  std::vector<std::string> own;      // names in the files of what the model holds, in the order of parameter_specs()
  std::vector<std::string> foreign;  // the rest (visual, talker, token2wav), sorted; a stored copy of a tied head is
                                     // neither

  const TensorView& view(const std::string& file_name) const;
};

Result<ModelFolder> open_model_folder(const std::filesystem::path& model_dir);

DType file_dtype(at::ScalarType type);                       // of a floating-point type
at::ScalarType torch_dtype(DType dtype);                     // its inverse
Result<at::ScalarType> scalar_type(const TensorView& view);  // kInvalidInput when the tensor holds no floating point

// A new CPU tensor with the values of `view` in `dtype`. Works in pieces and lets go of the file's pages behind itself:
// beside the result, less than a MB is resident.
Result<at::Tensor> read_tensor(const ShardedTensors& tensors, const TensorView& view, at::ScalarType dtype);

// The same values as bytes of `dtype`, handed on piece by piece.
Status stream_tensor(const ShardedTensors& tensors, const TensorView& view, DType dtype, const ByteSink& sink);

std::span<const std::byte> bytes_of(const at::Tensor& contiguous_cpu);

}  // namespace prosodia
