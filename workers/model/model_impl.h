// Model's private parts, shared by its source files.
#pragma once

#include <optional>
#include <set>

#include "workers/model/base_model.h"
#include "workers/model/model.h"
#include "workers/model/model_parts.h"

namespace prosodia {

// Deviation of fresh token embeddings. Tied, with a unit-RMS final state of 128 channels, logits start near 0.6.
inline constexpr double kEmbeddingInitStd = 0.05;

// Base tensors of adapter modules that no forward here runs (a vision tower's) keep their stored name and values.
struct AttachedAdapter {
  LoraOptions options;
  nlohmann::json config;                       // adapter_config.json as read; null for a fresh adapter
  std::set<std::string, std::less<>> modules;  // with A and B: "model.layers.0.mlp.up_proj"
  std::set<std::string, std::less<>> whole;    // base parameters stored with the adapter
  std::vector<NamedParameter> carried;         // by name in the file
};

struct Model::Impl {
  ModelConfig config;
  LoadOptions options;
  std::filesystem::path dir;  // that was loaded, absolute; empty for a fresh model
  bool tied = false;
  std::string file_prefix;  // "thinker." or "": as in the files that were loaded
  AudioWeights audio;
  DecoderWeights decoder;
  std::vector<NamedParameter> parameters;
  std::vector<NamedParameter> unused;  // tensors of our layout that no forward reads
  std::optional<BaseModel> base;       // the folder whose other tensors belong to this model; saves record it
  at::Tensor sinusoids_PA;             // [n_window, d_model], model dtype
  ops::RopeTable rope;
  std::optional<AttachedAdapter> adapter;

  // Puts a leaf tensor in its slot and into the right list.
  void place(const ParameterSpec& spec, at::Tensor tensor);
  // After the last place(): ties the head and builds the tables.
  void finish();
  // Lists all tensors again, with their slots in this object.
  std::vector<ParameterSpec> specs() { return parameter_specs(config, !tied, audio, decoder); }
  // Puts A and B of one module in their slot and into `parameters`; `adapter` is set.
  void attach(const ParameterSpec& weight, const at::Tensor& a_RK, const at::Tensor& b_NR);
};

// "model.layers.0.mlp.up_proj" of "model.layers.0.mlp.up_proj.weight".
std::string module_of(const ParameterSpec& weight);

}  // namespace prosodia
