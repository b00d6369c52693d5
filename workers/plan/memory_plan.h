// How many bytes each process of a run takes, from config.json and the options alone: what `prosodia doctor --plan`
// prints. Nothing is loaded. Weights, optimizer and caches are exact (the same tensor list the model is built from);
// activations follow what each operator keeps for its backward.
//
// Pure functions. Shapes: C hidden_size, Q, K widths of queries and keys, I intermediate_size, V vocab_size, T tokens
// of one micro-batch, R of them predicted. A test compares the prediction with measured processes (tests/e2e).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "workers/model/config.h"
#include "workers/model/freeze.h"

namespace prosodia {

// What is divided among the learner ranks.
enum class Sharding {
  kNone,       // every rank holds everything
  kOptimizer,  // moments and master weights (AdamW's shards)
  kFull,       // weights and gradients as well; a layer's weights are gathered while it runs
};
std::string_view name(Sharding sharding);
Result<Sharding> parse_sharding(std::string_view text);

struct MemoryRequest {
  std::string dtype = "float32";  // float32 | bfloat16
  bool own_head = false;          // lm_head is a tensor of its own
  FreezeSpec freeze;
  int learner_ranks = 1;
  Sharding sharding = Sharding::kOptimizer;
  bool reference = true;  // beta > 0: a second model for the KL term
  int64_t lora_rank = 0;  // 0 = all weights train; otherwise adapters on every linear layer of the decoder
  bool gradient_checkpointing = false;
  int64_t lag = 0;
  // The work
  int64_t prompts_per_step = 16, num_generations = 8;
  int64_t prompt_tokens = 400;  // audio included
  double audio_seconds = 8;     // of one prompt's clip; 0 = text only
  int64_t max_completion_length = 96;
  int64_t token_budget = 8192;   // rows of one micro-batch
  int64_t sft_batch_tokens = 0;  // sft: tokens of one step on a rank; 0 = as many as the budget
  int64_t max_rows = 64;         // of the engine
};

enum class Lifetime { kResident, kTransient };  // always there; at the peak of a step

struct MemoryItem {
  std::string what;
  Lifetime lifetime = Lifetime::kResident;
  uint64_t bytes = 0;
  bool on_host = false;  // in host memory even when the model is on a GPU
};

struct ProcessMemory {
  std::string process;  // "learner rank 0", "rollout worker"
  std::vector<MemoryItem> items;
  uint64_t needed()
      const;  // at the peak, less the program itself: what VmHWM shows. Loading maps files, but drops them
};

// The tensors of `config`, counted.
struct ParameterCount {
  uint64_t all = 0, trainable = 0;
  uint64_t decoder_linear = 0;  // of the decoder's layers and the head: what the engine repacks
  uint64_t largest = 0;         // elements of the largest trainable tensor
  uint64_t largest_layer = 0;   // elements of the largest decoder or audio layer
};
ParameterCount count_parameters(const ModelConfig& config, const MemoryRequest& request);

ProcessMemory plan_sft(const ModelConfig& config, const MemoryRequest& request);
ProcessMemory plan_learner(const ModelConfig& config, const MemoryRequest& request,
                           bool serves_weights);  // rank 0 serves
ProcessMemory plan_rollout(const ModelConfig& config, const MemoryRequest& request);
// With a reward model of `config` (--reward_model), whose `own_head` and dtype the request holds: the trainer's own
// dtype; it grades num_generations responses of max_completion_length at once.
ProcessMemory plan_reward(const ModelConfig& config, const MemoryRequest& request);
ProcessMemory plan_infer(const ModelConfig& config, const MemoryRequest& request);

// Bytes that one micro-batch of `tokens` rows keeps for its backward, `predicted` of them with targets and `frames` mel
// frames of audio.
uint64_t activation_bytes(const ModelConfig& config, const MemoryRequest& request, int64_t tokens, int64_t predicted,
                          int64_t frames);

}  // namespace prosodia
