// The model's tensors by role. The handles share storage with Model::parameters(): writing a parameter in place changes
// them too. Read by the forward and by the rollout engine (which repacks them); nobody outside workers/ needs this.
//
// Shapes: C hidden_size, Q = heads * head_dim, K = kv heads * head_dim, I intermediate, A d_model, F encoder_ffn_dim.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "workers/model/config.h"

namespace prosodia {

// The adapter of one linear layer; undefined tensors where there is none. Always float32, as peft keeps it.
struct LoraPair {
  at::Tensor a_RK, b_NR;  // [rank, inputs], [outputs, rank]
  double scaling = 0;
  bool defined() const { return a_RK.defined(); }
};

struct DecoderLayerWeights {
  at::Tensor input_norm_C, post_attention_norm_C;
  at::Tensor q_QC, q_bias_Q, k_KC, k_bias_K, v_KC, v_bias_K, o_CQ;
  at::Tensor gate_IC, up_IC, down_CI;
  LoraPair q_lora, k_lora, v_lora, o_lora, gate_lora, up_lora, down_lora;
};

struct DecoderWeights {
  at::Tensor embed_VC, norm_C;
  at::Tensor head_VC;  // the same handle as embed_VC when tied
  std::vector<DecoderLayerWeights> layers;
};

struct AudioLayerWeights {
  at::Tensor attention_norm_A, attention_norm_bias_A;
  at::Tensor q_AA, q_bias_A, k_AA /* no bias */, v_AA, v_bias_A, out_AA, out_bias_A;
  at::Tensor ffn_norm_A, ffn_norm_bias_A, fc1_FA, fc1_bias_F, fc2_AF, fc2_bias_A;
  LoraPair q_lora, k_lora, v_lora, out_lora, fc1_lora, fc2_lora;
};

struct AudioWeights {
  at::Tensor conv1, conv1_bias_A, conv2, conv2_bias_A;  // [A, mel bins, 3], [A, A, 3]
  std::vector<AudioLayerWeights> layers;
  at::Tensor post_norm_A, post_norm_bias_A, proj_CA, proj_bias_C;
  LoraPair proj_lora;
};

// How a fresh tensor is filled.
enum class Init {
  kZero,       // biases
  kOne,        // norms
  kEmbedding,  // normal, fixed deviation
  kLinear,     // normal, variance 1 / (3 fan-in): the variance of torch.nn.Linear's default
  kResidual,   // kLinear / sqrt(2 layers): projections that add to the residual stream
  kAudioProj,  // normal such that audio rows come out as large as token embeddings
};

// One tensor of the file format, in the order of Model::parameters().
struct ParameterSpec {
  std::string name;  // without `thinker.`
  std::vector<int64_t> shape;
  Init init = Init::kLinear;
  at::Tensor* slot = nullptr;  // where the handle goes; null for a tensor that no forward reads
  LoraPair* lora = nullptr;    // of a linear's weight: where its adapter goes; null where none can be
};

// Lists every tensor of `config`, with slots in `audio` and `decoder`, whose layer vectors are sized here and must not
// be resized afterwards; calling it again gives the same slots. Without `own_head`, the head is tied and has no entry.
std::vector<ParameterSpec> parameter_specs(const ModelConfig& config, bool own_head, AudioWeights& audio,
                                           DecoderWeights& decoder);

}  // namespace prosodia
