// Continuations: sequences that share a prompt and whose tokens the caller chooses, for reading the model's
// distribution at places of interest: K responses of a group under a reward model. The prompt (audio included) runs
// once, all known tokens run in one packed forward, and what is appended later attends to the cached keys and values.
//
// Logits are those that the model gives for the whole sequence alone: on CPU to the bit, whatever the other sequences
// are and wherever the shared prompt ends.
//
// Caller: the reward-model scorer. Thread rule: single thread. Failure rule: none; a sequence that exceeds the model's
// positions is the caller's mistake and aborts. Shapes: K sequences, M tokens, V vocab_size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "workers/rollout/engine.h"

namespace at {
class Tensor;
}

namespace prosodia {

struct ContinuationOptions {
  int max_rows = 64;           // sequences at once
  int64_t max_appended = 256;  // tokens that append() adds to one sequence, in all
  EngineBackend backend = EngineBackend::kAuto;
};

class Continuations {
 public:
  Continuations(const Model& model, const ContinuationOptions& options);  // `model` must outlive this
  ~Continuations();

  // Starts anew with these sequences: 1 to max_rows, not empty, each with `clips` at its audio placeholders, which lie
  // in the part that all have in common. `audio_embeddings` as in PackedBatch; may be undefined.
  void start(std::span<const std::vector<int32_t>> sequences, std::vector<const LogMel*> clips,
             const at::Tensor& audio_embeddings);
  // Appends M = tokens_KM.size() / K tokens to every sequence.
  void append(std::span<const int32_t> tokens_KM);
  // After the last token of sequence k, [V]; valid until the next start() or append().
  std::span<const float> logits(size_t k) const;

  // Tokens of the prompt that the last start() ran once for all.
  int64_t shared_tokens() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// How many tokens all sequences begin with, less what leaves every sequence one of its own.
int64_t shared_prefix(std::span<const std::vector<int32_t>> sequences);

}  // namespace prosodia
