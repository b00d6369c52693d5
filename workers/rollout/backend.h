// The model behind the engine: prefill of prompts and decoding of rows, with cached keys and values. The caller decides
// which rows run; a backend only computes logits.
//
// Called by Engine (sampling) and Continuations (scoring) alone. Single thread. A prefix is one group's prompt; a slot
// is one of max_rows places for responses. Shapes: V vocab_size, S slots in a call. All logits are float32 on the host.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "workers/model/processor.h"
#include "workers/rollout/engine.h"

namespace prosodia {

class Model;

struct DecodeRow {
  int slot = 0;
  int prefix = 0;             // handle of prefill()
  int64_t prompt_length = 0;  // tokens of the prefix
  int64_t index = 0;          // of `token` in the response; its position is prompt_length + index
  int32_t token = 0;
};

struct PrefillItem {
  const EncodedPrompt* prompt = nullptr;
  int prefix = 0;             // handle the engine chose; free at this point
  float* logits_V = nullptr;  // out: at the prompt's last token
};

// One prompt and several continuations that are known already: everything in one packed forward. The prompt becomes
// prefix 0 (kSharedPrefix) of the rows that follow.
inline constexpr int kSharedPrefix = 0;
struct SharedPrefill {
  struct Suffix {
    int slot = 0;
    std::span<const int32_t> token_ids;  // not empty; stands at positions prefix_ids.size() …
    float* logits_V = nullptr;           // out: at its last token
  };
  std::span<const int32_t> prefix_ids;  // not empty; holds all audio placeholders
  std::vector<const LogMel*> clips;     // of the prefix
  at::Tensor audio_embeddings;          // [N, C], optional: as PackedBatch::audio_embeddings
  std::vector<Suffix> suffixes;
};

class DecodeBackend {
 public:
  virtual ~DecodeBackend() = default;
  virtual void prefill(std::span<const PrefillItem> items) = 0;
  virtual void start_row(int slot, int prefix) = 0;  // before the slot's first decode
  // In place of prefill() and start_row(). In decode() an `index` of such a slot counts from its suffix's first token.
  virtual void prefill_shared(const SharedPrefill& item) = 0;
  // `tokens_per_slot` rows of one slot are neighbours with ascending `index`; every slot in use takes part. Logits of
  // each slot's last row, [S, V].
  virtual void decode(std::span<const DecodeRow> rows, int64_t tokens_per_slot, float* logits_SV) = 0;
  virtual void release_prefix(int prefix) = 0;
  virtual void weights_changed() = 0;  // any of them
  virtual void adapter_changed() = 0;  // none but the adapter's
};

// The one that fits the model and EngineOptions::backend. Of `params` only max_completion_length is read: tokens a slot
// takes after its prefill.
std::unique_ptr<DecodeBackend> make_backend(const Model& model, const SamplingParams& params,
                                            const EngineOptions& options);
// Raw kernels on CPU weights, float32 or bfloat16; same bits as Model::hidden and Model::logprobs.
std::unique_ptr<DecodeBackend> make_cpu_backend(const Model& model, const SamplingParams& params,
                                                const EngineOptions& options);
// Tensors of the model's dtype and device.
std::unique_ptr<DecodeBackend> make_tensor_backend(const Model& model, const SamplingParams& params,
                                                   const EngineOptions& options);

}  // namespace prosodia
