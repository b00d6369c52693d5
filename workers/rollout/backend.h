// The model behind the engine: prefill of prompts and decoding of rows, with cached keys and values. The engine decides
// which rows run; a backend only computes logits.
//
// Called by Engine alone. Single thread. A prefix is one group's prompt; a slot is one of max_rows places for
// responses. Shapes: V vocab_size. All logits are float32 on the host.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

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

class DecodeBackend {
 public:
  virtual ~DecodeBackend() = default;
  virtual void prefill(std::span<const PrefillItem> items) = 0;
  virtual void start_row(int slot, int prefix) = 0;  // before the slot's first decode
  virtual void decode(std::span<const DecodeRow> rows, float* logits_RV) = 0;
  virtual void release_prefix(int prefix) = 0;
  virtual void weights_changed() = 0;  // any of them
  virtual void adapter_changed() = 0;  // none but the adapter's
};

// Raw kernels on CPU weights, float32 or bfloat16; same bits as Model::hidden and Model::logprobs.
std::unique_ptr<DecodeBackend> make_cpu_backend(const Model& model, const SamplingParams& params,
                                                const EngineOptions& options);
// Tensors of the model's dtype and device.
std::unique_ptr<DecodeBackend> make_tensor_backend(const Model& model, const SamplingParams& params,
                                                   const EngineOptions& options);

}  // namespace prosodia
