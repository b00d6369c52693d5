// Model's private parts, shared by its source files.
#pragma once

#include <optional>

#include "workers/model/base_model.h"
#include "workers/model/model.h"
#include "workers/model/model_parts.h"

namespace prosodia {

// Deviation of fresh token embeddings. Tied, with a unit-RMS final state of 128 channels, logits start near 0.6.
inline constexpr double kEmbeddingInitStd = 0.05;

struct Model::Impl {
  ModelConfig config;
  LoadOptions options;
  bool tied = false;
  std::string file_prefix;  // "thinker." or "": as in the files that were loaded
  AudioWeights audio;
  DecoderWeights decoder;
  std::vector<NamedParameter> parameters;
  std::vector<NamedParameter> unused;  // tensors of our layout that no forward reads
  std::optional<BaseModel> base;       // the folder whose other tensors belong to this model; saves record it
  at::Tensor sinusoids_PA;             // [n_window, d_model], model dtype
  ops::RopeTable rope;

  // Puts a leaf tensor in its slot and into the right list.
  void place(const ParameterSpec& spec, at::Tensor tensor);
  // After the last place(): ties the head and builds the tables.
  void finish();
};

}  // namespace prosodia
