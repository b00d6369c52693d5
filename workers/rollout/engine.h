// Engine: groups of sampled responses, as fast as one core allows, with bits that depend on nothing but
// (weights, prompt, group seed, sample index, position).
//
// A group's prompt (audio included) runs once; its keys and values lie in one slab that all the group's rows read. Each
// row owns a slab for its response. Rows come and go independently: a finished row is refilled from the oldest waiting
// group at the next step. CPU models in float32 and bfloat16 run on raw kernels (merged QKV and gate-up weights, no
// allocation per token); any other dtype or device takes a slower path on tensors.
//
// Log-probs are those of the full distribution softmax(logits / temperature), before suppression, top_k and top_p: what
// the learner recomputes.
//
// Callers: rollout worker, infer, eval. Thread rule: single thread. Failure rule: submit() refuses a prompt that cannot
// fit; step() cannot fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "data/base/status.h"
#include "workers/model/processor.h"

namespace prosodia {

class Model;
struct ModelConfig;

struct SamplingParams {
  double temperature = 1.0;             // > 0; ignored by `greedy` except in the log-probs
  double top_p = 1.0;                   // (0, 1]; smallest set of most likely tokens with at least this probability
  int top_k = 0;                        // 0 = all
  bool greedy = false;                  // most likely token; the lowest id wins ties
  int max_completion_length = 256;      // tokens, the stop token included
  std::vector<int32_t> stop_ids;        // sampled, recorded, and end the response
  std::vector<int32_t> suppressed_ids;  // never sampled; see suppressed_ids()
};

enum class EngineBackend {
  kAuto,     // raw kernels for CPU models, tensors otherwise
  kTensors,  // tensors always: the path of GPU models
};

struct EngineOptions {
  int max_rows = 64;                  // responses decoded together; does not change any result
  int64_t max_prefill_tokens = 4096;  // packed prompt tokens in one forward; a longer prompt runs alone
  EngineBackend backend = EngineBackend::kAuto;
};

struct GenerationRequest {
  uint64_t id = 0;  // the caller's, unique among requests in flight
  std::shared_ptr<const EncodedPrompt> prompt;
  int num_generations = 1;
  uint64_t seed = 0;  // the group's: noise = philox(key = seed, counter = (sample index, index of the new token))
};

enum class FinishReason : uint8_t { kStop, kLength };

struct Completion {
  std::vector<int32_t> token_ids;  // the stop token included
  std::vector<float> logprobs;     // one per token
  FinishReason finish_reason = FinishReason::kLength;
};

struct GenerationResult {
  uint64_t id = 0;
  std::vector<Completion> completions;  // in sample order
};

class Engine {
 public:
  Engine(const Model& model, SamplingParams params, EngineOptions options = {});
  ~Engine();

  // kInvalidInput: empty prompt, or prompt + max_completion_length > max_position_embeddings. num_generations >= 1.
  Status submit(GenerationRequest request);
  bool idle() const;               // nothing waiting, nothing running
  size_t waiting_samples() const;  // samples submitted but not yet in a row: submit more when below max_rows
  // Admits waiting samples into free rows, decodes one token for every row, and returns the groups that became
  // complete.
  std::vector<GenerationResult> step();
  // What a sample of a request in flight has so far; null before it starts and when the request is unknown. Valid until
  // the next call of step() or cancel().
  const Completion* in_progress(uint64_t id, int sample) const;
  // Drops a request and its rows (a cancelled lease). Unknown ids are ignored.
  void cancel(uint64_t id);
  // Call after the model's tensors were written; requires idle(), because no response may mix versions.
  void weights_changed();
  void adapter_changed();  // the same when only the adapter's tensors were written: repacks those alone

  uint64_t decoded_tokens() const;  // since construction
  uint64_t decode_steps() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What must never be sampled: audio, image, video and vision marks, ids the tokenizer does not know (untrained rows of
// the embedding), and every special token except the stops.
std::vector<int32_t> suppressed_ids(const ModelConfig& config, const Tokenizer& tokenizer,
                                    const std::vector<int32_t>& stop_ids);

}  // namespace prosodia
