#include "workers/plan/memory_plan.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "workers/model/audio_cache.h"
#include "workers/model/model_parts.h"
#include "workers/model/ops/kernels.h"
#include "workers/model/processor.h"

namespace prosodia {
namespace {

constexpr int64_t kFloat = 4;  // bytes of fp32
constexpr double kFramesPerSecond = 100;

int64_t element_bytes(const MemoryRequest& request) { return request.dtype == "bfloat16" ? 2 : 4; }

uint64_t product(const std::vector<int64_t>& shape) {
  uint64_t count = 1;
  for (const int64_t dim : shape) count *= static_cast<uint64_t>(dim);
  return count;
}

// "model.layers.7." and "audio_tower.layers.3.": what is gathered together.
std::string layer_of(const std::string& name) {
  const size_t at = name.find("layers.");
  if (at == std::string::npos) return "";
  return name.substr(0, name.find('.', at + 7));
}

struct Widths {  // of the decoder
  int64_t hidden, query, key, inner, layers, vocab;
};
Widths widths(const TextConfig& text) {
  return {text.hidden_size,
          text.num_attention_heads * text.head_dim,
          text.num_key_value_heads * text.head_dim,
          text.intermediate_size,
          text.num_hidden_layers,
          text.vocab_size};
}

// A group: its prompt once, its responses without their last tokens.
int64_t group_tokens(const MemoryRequest& r) {
  return r.prompt_tokens + r.num_generations * std::max<int64_t>(0, r.max_completion_length - 1);
}

struct MicroBatchShape {
  int64_t tokens, predicted, frames;
};
MicroBatchShape learner_micro_batch(const MemoryRequest& r) {
  const int64_t group = group_tokens(r);
  const int64_t per_rank = (r.prompts_per_step * group + r.learner_ranks - 1) / r.learner_ranks;
  const int64_t tokens = std::min(r.token_budget, per_rank);
  const double groups = static_cast<double>(tokens) / static_cast<double>(group);
  return {tokens, static_cast<int64_t>(groups * static_cast<double>(r.num_generations * r.max_completion_length)),
          static_cast<int64_t>(std::ceil(groups) * r.audio_seconds * kFramesPerSecond)};
}
MicroBatchShape sft_micro_batch(const MemoryRequest& r) {
  const int64_t tokens = r.sft_batch_tokens > 0 ? std::min(r.sft_batch_tokens, r.token_budget) : r.token_budget;
  const int64_t conversation = std::max<int64_t>(1, r.prompt_tokens + r.max_completion_length);
  const double conversations = static_cast<double>(tokens) / static_cast<double>(conversation);
  return {tokens, static_cast<int64_t>(conversations * static_cast<double>(r.max_completion_length)),
          static_cast<int64_t>(conversations * r.audio_seconds * kFramesPerSecond)};
}

// What one frame of audio keeps: convolutions at the full rate, layers at half of it.
uint64_t audio_activation_bytes(const AudioConfig& audio, int64_t frames, int64_t element) {
  const int64_t width = audio.d_model, inner = audio.encoder_ffn_dim;
  const int64_t per_frame = audio.num_mel_bins * 4 + 2 * width;             // mel, its taps; conv1 out, its GELU
  const int64_t per_row = 3 * width + 2 * width                             // taps of conv2; its out, its GELU
                          + audio.encoder_layers * (8 * width + 2 * inner)  // see activation_bytes
                          + width;
  return static_cast<uint64_t>((frames * per_frame + frames / 2 * per_row) * element);
}

uint64_t lora_elements(const ModelConfig& config, int64_t rank) {
  const Widths w = widths(config.text);
  const int64_t per_layer =
      (w.hidden + w.query) + 2 * (w.hidden + w.key) + (w.query + w.hidden) + 3 * (w.hidden + w.inner);
  return static_cast<uint64_t>(rank * per_layer * w.layers);
}

bool trains_audio(const ModelConfig& config, const MemoryRequest& r) {
  return config.audio && r.lora_rank == 0 && !r.freeze.freezes("audio_tower.conv1.weight");
}

// Weights, gradients, moments of one rank.
void add_training_state(const ParameterCount& count, const MemoryRequest& r, std::vector<MemoryItem>& items) {
  const auto element = static_cast<uint64_t>(element_bytes(r));
  const auto ranks = static_cast<uint64_t>(r.learner_ranks);
  const uint64_t over_state = r.sharding == Sharding::kNone ? 1 : ranks;
  const uint64_t over_rest = r.sharding == Sharding::kFull ? ranks : 1;
  items.push_back({"weights", Lifetime::kResident, count.all * element / over_rest});
  if (r.lora_rank > 0) items.push_back({"adapters", Lifetime::kResident, count.trainable * element});
  items.push_back({"gradients, fp32", Lifetime::kResident, count.trainable * kFloat / over_rest});
  if (element != kFloat) {
    items.push_back({"gradients as autograd makes them", Lifetime::kTransient, count.trainable * element / over_rest});
    items.push_back({"master weights, fp32", Lifetime::kResident, count.trainable * kFloat / over_state});
  }
  items.push_back({"AdamW moments, fp32", Lifetime::kResident, 2 * count.trainable * kFloat / over_state});
  if (r.sharding == Sharding::kFull)
    items.push_back({"two gathered layers", Lifetime::kTransient, 2 * count.largest_layer * element});
}

// Backward's own: gradients of the widest operators, and of the embedding, which exist beside the buffer they are added
// to. A tied head's gradient waits for the embedding's, at the very end.
void add_backward(const ModelConfig& config, const ParameterCount& count, const MemoryRequest& r,
                  const MicroBatchShape& shape, std::vector<MemoryItem>& items) {
  const Widths w = widths(config.text);
  const int64_t element = element_bytes(r);
  items.push_back({fmt::format("activations of {} tokens", shape.tokens), Lifetime::kTransient,
                   activation_bytes(config, r, shape.tokens, shape.predicted, shape.frames)});
  items.push_back({"gradients of one layer's activations", Lifetime::kTransient,
                   static_cast<uint64_t>(shape.tokens * (3 * w.inner + 3 * w.hidden) * element)});
  const uint64_t head = r.lora_rank > 0 ? 0 : static_cast<uint64_t>(w.vocab * w.hidden * element);
  items.push_back({"a weight's gradient before it is added", Lifetime::kTransient,
                   count.largest * static_cast<uint64_t>(element) + (r.own_head ? 0 : head)});
  const int64_t columns = std::min(ops::kVocabChunk, w.vocab);
  const int64_t block = std::min(ops::kLogitRowBlock, std::max<int64_t>(1, shape.predicted)) * columns;
  items.push_back(
      {"log-prob chunks", Lifetime::kTransient, static_cast<uint64_t>((2 * block + 2 * columns * w.hidden) * kFloat)});
}

void add_engine(const ModelConfig& config, const ParameterCount& count, const MemoryRequest& r,
                std::vector<MemoryItem>& items) {
  const Widths w = widths(config.text);
  const int64_t element = element_bytes(r);
  items.push_back({"weights", Lifetime::kResident, count.all * static_cast<uint64_t>(element)});
  if (element == kFloat)
    items.push_back({"weights repacked for decoding", Lifetime::kResident, count.decoder_linear * kFloat});
  const ops::KvLayout layout{config.text.num_key_value_heads, config.text.head_dim};
  const int64_t own = ops::KvLayout::round_capacity(r.max_completion_length);
  const int64_t prompt = ops::KvLayout::round_capacity(r.prompt_tokens);
  const int64_t groups = (r.max_rows + r.num_generations - 1) / r.num_generations + 1;  // the next one waits
  items.push_back({fmt::format("KV slabs of {} rows", r.max_rows), Lifetime::kResident,
                   static_cast<uint64_t>(r.max_rows * layout.floats(own) * w.layers * element)});
  items.push_back({fmt::format("KV slabs of {} prompts", groups), Lifetime::kResident,
                   static_cast<uint64_t>(groups * layout.floats(prompt) * w.layers * element)});
  items.push_back({"logits and scratch of one step", Lifetime::kResident,
                   static_cast<uint64_t>(r.max_rows * (w.vocab + 4 * w.hidden + 2 * w.query + 3 * w.inner) * kFloat)});
  // Prefill: no graph, so one layer's tensors.
  const int64_t tokens = std::min<int64_t>(4096, groups * r.prompt_tokens);
  items.push_back({fmt::format("prefill of {} tokens", tokens), Lifetime::kTransient,
                   static_cast<uint64_t>(tokens * (4 * w.hidden + 2 * w.query + 2 * w.key + 3 * w.inner) * element)});
}

}  // namespace

std::string_view name(Sharding sharding) {
  constexpr std::string_view kNames[] = {"none", "optimizer", "full"};
  return kNames[static_cast<int>(sharding)];
}

Result<Sharding> parse_sharding(std::string_view text) {
  for (const Sharding sharding : {Sharding::kNone, Sharding::kOptimizer, Sharding::kFull})
    if (text == name(sharding)) return sharding;
  return fail(ErrorCode::kUsage, "sharding '{}': expected none, optimizer or full", text);
}

uint64_t ProcessMemory::needed() const {
  uint64_t total = 0;
  for (const MemoryItem& item : items) total += item.bytes;
  return total;
}

ParameterCount count_parameters(const ModelConfig& config, const MemoryRequest& r) {
  AudioWeights audio;
  DecoderWeights decoder;
  ParameterCount count;
  std::map<std::string, uint64_t> layers;
  for (const ParameterSpec& spec : parameter_specs(config, r.own_head, audio, decoder)) {
    const uint64_t elements = product(spec.shape);
    count.all += elements;
    if (const std::string layer = layer_of(spec.name); !layer.empty()) layers[layer] += elements;
    if (covers("decoder", spec.name) && spec.shape.size() == 2) count.decoder_linear += elements;
    if (r.lora_rank > 0 || r.freeze.freezes(spec.name)) continue;
    count.trainable += elements;
    count.largest = std::max(count.largest, elements);
  }
  count.decoder_linear += static_cast<uint64_t>(config.text.vocab_size * config.text.hidden_size);  // the head
  if (r.lora_rank > 0) {
    count.trainable = lora_elements(config, r.lora_rank);
    count.largest = static_cast<uint64_t>(r.lora_rank * config.text.intermediate_size);
  }
  for (const auto& [layer, elements] : layers) count.largest_layer = std::max(count.largest_layer, elements);
  return count;
}

// Decoder layer, per token: x and the norm's output (C each, twice), q and attention's output (Q each), k, v (K each),
// gate, up and their product (I each). Audio layer, per row: x and the norm's output twice, q, k, v, attention's output
// (8 widths), fc1 and its GELU. With checkpointing only x, and one layer anew.
uint64_t activation_bytes(const ModelConfig& config, const MemoryRequest& r, int64_t tokens, int64_t predicted,
                          int64_t frames) {
  const Widths w = widths(config.text);
  const int64_t element = element_bytes(r);
  const int64_t layer = 4 * w.hidden + 2 * w.query + 2 * w.key + 3 * w.inner;
  const int64_t adapters = r.lora_rank > 0 ? 7 * r.lora_rank : 0;
  const int64_t kept = r.gradient_checkpointing ? w.layers * w.hidden + layer : w.layers * (layer + adapters);
  auto bytes = static_cast<uint64_t>(tokens * (kept + 2 * w.hidden) * element);  // + embedding, final norm
  bytes += static_cast<uint64_t>(predicted * w.hidden * element);                // rows selected for the head
  if (predicted * w.vocab <= ops::kMaxKeptLogits && r.dtype == "float32")
    bytes += static_cast<uint64_t>(predicted * w.vocab * kFloat);
  if (trains_audio(config, r)) bytes += audio_activation_bytes(*config.audio, frames, element);
  return bytes;
}

ProcessMemory plan_sft(const ModelConfig& config, const MemoryRequest& request) {
  ProcessMemory plan{"sft rank", {}};
  const ParameterCount count = count_parameters(config, request);
  add_training_state(count, request, plan.items);
  add_backward(config, count, request, sft_micro_batch(request), plan.items);
  return plan;
}

ProcessMemory plan_learner(const ModelConfig& config, const MemoryRequest& request, bool serves_weights) {
  ProcessMemory plan{serves_weights ? "learner rank 0" : "learner rank", {}};
  const ParameterCount count = count_parameters(config, request);
  add_training_state(count, request, plan.items);
  const auto element = static_cast<uint64_t>(element_bytes(request));
  const bool second_model = request.reference && request.lora_rank == 0;  // adapters: the base is the reference
  const uint64_t over = request.sharding == Sharding::kFull ? static_cast<uint64_t>(request.learner_ranks) : 1;
  if (second_model) plan.items.push_back({"reference model", Lifetime::kResident, count.all * element / over});
  add_backward(config, count, request, learner_micro_batch(request), plan.items);
  if (serves_weights)
    plan.items.push_back({fmt::format("served weight versions ({})", request.lag + 2), Lifetime::kResident,
                          static_cast<uint64_t>(request.lag + 2) * count.all * element, /*on_host=*/true});
  return plan;
}

ProcessMemory plan_rollout(const ModelConfig& config, const MemoryRequest& request) {
  ProcessMemory plan{"rollout worker", {}};
  const ParameterCount count = count_parameters(config, request);
  add_engine(config, count, request, plan.items);
  plan.items.push_back({"a fetched weight version", Lifetime::kTransient,
                        count.all * static_cast<uint64_t>(element_bytes(request)), /*on_host=*/true});
  return plan;
}

ProcessMemory plan_reward(const ModelConfig& config, const MemoryRequest& request) {
  // The instruction, the question's frame and the answer's form: some 300 tokens in the paper's words.
  constexpr int64_t kWordsTokens = 300;
  MemoryRequest group = request;
  group.max_rows = request.num_generations;
  group.prompt_tokens = request.prompt_tokens + kWordsTokens;
  ProcessMemory plan{"reward worker", {}};
  add_engine(config, count_parameters(config, group), group, plan.items);
  const Widths w = widths(config.text);
  const int64_t tokens = group.prompt_tokens + request.num_generations * request.max_completion_length;
  plan.items.push_back({fmt::format("prefill of a group, {} tokens", tokens), Lifetime::kTransient,
                        static_cast<uint64_t>(tokens * (4 * w.hidden + 2 * w.query + 2 * w.key + 3 * w.inner) *
                                              element_bytes(request))});
  plan.items.push_back({"encoded and log-mel clips kept, at most", Lifetime::kResident,
                        AudioCache::kDefaultBytes + ProcessorOptions{}.mel_cache_bytes});
  return plan;
}

ProcessMemory plan_infer(const ModelConfig& config, const MemoryRequest& request) {
  ProcessMemory plan{"infer, eval", {}};
  add_engine(config, count_parameters(config, request), request, plan.items);
  return plan;
}

}  // namespace prosodia
