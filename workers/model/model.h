// The one forward: audio tower and decoder, used for sampling (prefill), learning, scoring and evaluation alike, on
// ops:: (on CPU the bits of a row do not depend on what else is in the batch, in float32 and in bfloat16).
//
// Formulas: audio tower = log-mel -> conv1, GELU, conv2 (stride 2), GELU, sinusoids per 200-frame chunk -> pre-norm
// layers with attention inside a chunk -> pair pooling per clip, LayerNorm, projection. Decoder = Qwen2 (RMSNorm, GQA
// with rope on rotate_half halves, SwiGLU).
//
// Callers: rollout engine, learner, infer, score, eval. Thread rule: const functions may run at the same time as long
// as nobody writes a parameter. Failure rule: files are refused with kInvalidInput naming every missing, misshaped or
// extra tensor; a batch that breaks its own contract (ids out of range, audio rows that do not match the clips) aborts,
// because Processor has checked it.
//
// Adapter (lora.h): at most one; its tensors stand in parameters() after all others, and every forward adds it
// unmerged.
//
// Shapes: T packed tokens of all sequences, R selected rows, C hidden_size, V vocab_size, N audio tokens.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/audio/log_mel.h"
#include "data/base/status.h"
#include "workers/model/config.h"
#include "workers/model/lora.h"
#include "workers/model/ops/ops.h"

namespace prosodia {

// Several token sequences laid end to end, without padding. A group whose responses share one prompt holds the prompt
// once: its segment is [0, P), and each response is a segment with prefix [0, P); positions of a response start at P.
struct PackedBatch {
  std::vector<int64_t> token_ids;               // [T]
  std::vector<int64_t> positions;               // [T] rope position inside its own sequence, from 0
  std::vector<ops::AttentionSegment> segments;  // disjoint, ascending, covering [0, T)
  std::vector<const LogMel*> clips;             // in the order of the runs of audio placeholder tokens; not owned
  at::Tensor
      audio_embeddings;  // [N, C], optional: replaces the tower's output for `clips` (cached while the tower is frozen)
};

struct NamedParameter {
  std::string name;   // Hugging Face name without `thinker.`: "model.layers.0.self_attn.q_proj.weight"
  at::Tensor tensor;  // leaf; requires_grad is the learner's to set
};

// Called once a layer with its keys (after rope) and values, [T, kv heads, head_dim]: how the engine fills its caches.
using KvObserver = std::function<void(int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD)>;

// Where the forward passes, in order. A stage's rows are those of the packed batch, or of the packed audio.
enum class Stage {
  kConvolved,        // both convolutions and the positions, [rows, d_model]
  kAudioLayer,       // output of layer `index`
  kPooled,           // pair means, before the last norm
  kAudioEmbeddings,  // [N, C]
  kMerged,           // the decoder's input, [T, C]
  kDecoderLayer,     // output of layer `index`
  kFinalNorm,        // what hidden() returns
};
using StageObserver = std::function<void(Stage stage, int index, const at::Tensor& value)>;
struct ForwardObserver {
  KvObserver kv;
  StageObserver stage;
};

struct DecoderWeights;  // model_parts.h

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;  // weights are converted to it
  at::Device device = at::Device(at::kCPU);
};

class Model {
 public:
  // Reads config.json and the tensors of a Hugging Face folder (single file or shards; names with or without
  // `thinker.`). `lm_head.weight` is used when stored; otherwise it is tied to `embed_tokens` only if the config says
  // so.
  static Result<std::unique_ptr<Model>> load(const std::filesystem::path& model_dir, const LoadOptions& options = {});
  // Fresh weights (rules: Init in model_parts.h). Deterministic in (config, seed). Tied when config.tie_word_embeddings
  // is true.
  static std::unique_ptr<Model> random(const ModelConfig& config, uint64_t seed, const LoadOptions& options = {});
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const;
  at::ScalarType dtype() const;
  at::Device device() const;

  // Write parameters in place (copy_, add_): the forward holds handles to the same storage, so replacing a tensor
  // object in this list changes nothing. All tensors the forward reads, in a fixed order (audio tower, embedding,
  // layers, norm, head). A tied head is absent. `audio_tower.audio_bos_eos_token.weight` is not listed: no forward
  // reads it; saves carry it along.
  std::vector<NamedParameter>& parameters();
  const std::vector<NamedParameter>& parameters() const;
  const at::Tensor* find(std::string_view name) const;  // a parameter by name; nullptr when there is none

  // Writes model.safetensors (or shards) and config.json: same layout and prefix as loaded, every key of the config
  // kept. Tensors that no forward reads (`visual.*`, `talker.*`, `token2wav.*`) are not written again: base_model.json
  // says where they are, and export.h completes the folder. Tokenizer files: copy_model_files() below.
  // Requires that there is no adapter: save_adapter() writes those, adapter_merge.h merges them into an export.
  Status save(const std::filesystem::path& model_dir) const;

  // A fresh adapter (deterministic in options.seed). kUsage: there is one already, a target that this model lacks, or
  // an embedding in modules_to_save that a tied head shares.
  Status add_adapter(const LoraOptions& options);
  // An adapter folder in peft's format (adapter_config.json, adapter_model.safetensors). kInvalidInput names the key or
  // tensor that does not fit this model or this program; what peft defaults to may be absent.
  Status load_adapter(const std::filesystem::path& adapter_dir);
  // Writes such a folder; its base is the folder this model was loaded from, by absolute path. Requires has_adapter().
  Status save_adapter(const std::filesystem::path& adapter_dir) const;
  bool has_adapter() const;
  const LoraOptions& adapter_options() const;  // requires has_adapter()
  // Whether a parameter belongs to the adapter: its A and B, and the tensors that are stored whole with it.
  bool in_adapter(std::string_view parameter_name) const;

  // The policy's values at this moment as a model of their own, for a KL reference: `changing` tensors are copied, all
  // others share memory with this model, which must not write them. An adapter whose B is zero is left out.
  std::unique_ptr<Model> snapshot(std::span<const NamedParameter> changing) const;
  // Reads `parameters` (some of parameters()) in place from a folder that save() or save_adapter() wrote.
  Status load_values(const std::filesystem::path& dir, std::span<const NamedParameter> parameters);

  // [N, C]; N = sum of num_audio_tokens.
  at::Tensor encode_audio(std::span<const LogMel* const> clips, const StageObserver& observer = nullptr) const;
  // [T, C] after the final norm. Records a graph when grad mode is on and parameters require grad.
  at::Tensor hidden(const PackedBatch& batch, const ForwardObserver& observer = {}) const;
  // log softmax(h W^T / temperature) at the targets, and the entropy when asked; never holds [R, V] at once.
  ops::TokenLogProbs logprobs(const at::Tensor& hidden_RC, const at::Tensor& targets_R, double temperature,
                              bool want_entropy) const;
  at::Tensor logits(const at::Tensor& hidden_RC) const;  // [R, V] float32 whatever the dtype; for tests and small R

  const at::Tensor& head_weight() const;  // [V, C]: lm_head, or the embedding when tied
  const DecoderWeights& decoder() const;  // the decoder's tensors by role, for the engine
  const ops::RopeTable& rope_table() const;

  // Token embeddings with audio rows merged in: the decoder's input, [T, C].
  at::Tensor embed(const PackedBatch& batch, const StageObserver& observer = nullptr) const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The folder of the weights: `dir` itself, or for an adapter folder its base (base_model_name_or_path: absolute, or
// relative to the adapter folder or to the working directory). kInvalidInput when there is no such folder.
Result<std::filesystem::path> base_model_dir(const std::filesystem::path& dir);
bool is_adapter_dir(const std::filesystem::path& dir);  // holds adapter_config.json

// Copies everything but weights and config.json that transformers needs (tokenizer, preprocessor, generation config).
Status copy_model_files(const std::filesystem::path& from_model_dir, const std::filesystem::path& to_model_dir);

}  // namespace prosodia
