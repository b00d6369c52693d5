// Decoding on tensors of any dtype and device. All slots run in every step, so shapes change only when the cache grows;
// prompts are copied into each row's cache; several tokens of a slot run one after the other. Simple rather than fast.
#include <ATen/ATen.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "data/base/check.h"
#include "workers/model/lora_linear.h"
#include "workers/model/model_parts.h"
#include "workers/rollout/prefill.h"

namespace prosodia {
namespace {

constexpr int64_t kLengthStep = 64;  // attention runs over a multiple of this many positions

struct KeyValue {
  at::Tensor k, v;
};

class TensorBackend : public DecodeBackend {
 public:
  TensorBackend(const Model& model, const SamplingParams& params, const EngineOptions& options)
      : model_(model),
        config_(model.config().text),
        max_prefill_tokens_(options.max_prefill_tokens),
        max_rows_(options.max_rows),
        max_completion_(params.max_completion_length),
        caches_(config_.num_hidden_layers) {}

  void prefill(std::span<const PrefillItem> items) override {
    int64_t longest = 0;
    for (const PrefillItem& item : items) {
      if (prefixes_.size() <= static_cast<size_t>(item.prefix)) prefixes_.resize(item.prefix + 1);
      prefixes_[item.prefix].resize(config_.num_hidden_layers);
      longest = std::max(longest, static_cast<int64_t>(item.prompt->token_ids.size()));
    }
    grow(longest + max_completion_);
    run_prefill(model_, items, max_prefill_tokens_,
                [&](size_t item, int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD) {
                  // clone: contiguous() of a whole batch would keep the batch alive.
                  prefixes_[items[item].prefix][layer] = {k_TGD.clone(), v_TGD.clone()};
                });
  }

  void start_row(int slot, int prefix) override {
    const at::NoGradGuard no_grad;
    for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
      const KeyValue& from = prefixes_[prefix][layer];
      caches_[layer].k[slot].narrow(0, 0, from.k.size(0)).copy_(from.k);
      caches_[layer].v[slot].narrow(0, 0, from.v.size(0)).copy_(from.v);
    }
  }

  void prefill_shared(const SharedPrefill& item) override {
    const at::NoGradGuard no_grad;
    const auto prefix = static_cast<int64_t>(item.prefix_ids.size());
    int64_t longest = 0;
    for (const SharedPrefill::Suffix& suffix : item.suffixes)
      longest = std::max(longest, static_cast<int64_t>(suffix.token_ids.size()));
    grow(prefix + longest + max_completion_);
    run_prefill_shared(model_, item, [&](size_t i, int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD) {
      for (size_t s = 0; s < item.suffixes.size(); ++s) {
        if (i != 0 && i != s + 1) continue;  // the prefix goes to every slot
        const int64_t begin = i == 0 ? 0 : prefix, slot = item.suffixes[s].slot;
        caches_[layer].k[slot].narrow(0, begin, k_TGD.size(0)).copy_(k_TGD);
        caches_[layer].v[slot].narrow(0, begin, v_TGD.size(0)).copy_(v_TGD);
      }
    });
  }

  // A prefix of prefill_shared() lies in its slots alone.
  void release_prefix(int prefix) override {
    if (static_cast<size_t>(prefix) < prefixes_.size()) prefixes_[prefix].clear();
  }
  void weights_changed() override {}  // reads the model's tensors directly
  void adapter_changed() override {}

  void decode(std::span<const DecodeRow> rows, int64_t tokens_per_slot, float* logits_SV) override {
    PROSODIA_CHECK(tokens_per_slot > 0 && static_cast<int64_t>(rows.size()) % tokens_per_slot == 0,
                   "{} rows of {} a slot", rows.size(), tokens_per_slot);
    std::vector<DecodeRow> wave;
    for (int64_t token = 0; token < tokens_per_slot; ++token) {
      wave.clear();
      for (size_t r = static_cast<size_t>(token); r < rows.size(); r += static_cast<size_t>(tokens_per_slot))
        wave.push_back(rows[r]);
      decode_wave(wave, logits_SV);
    }
  }

 private:
  // One token of each slot.
  void decode_wave(std::span<const DecodeRow> rows, float* logits_RV) {
    const at::NoGradGuard no_grad;
    std::vector<int64_t> ids(max_rows_, 0), positions(max_rows_, 0);  // idle slots compute a harmless position 0
    for (const DecodeRow& row : rows) {
      ids[row.slot] = row.token;
      positions[row.slot] = row.prompt_length + row.index;
    }
    const int64_t longest = *std::max_element(positions.begin(), positions.end()) + 1;
    const int64_t length = std::min(capacity_, (longest + kLengthStep - 1) / kLengthStep * kLengthStep);
    const Step step = make_step(positions, length);
    at::Tensor x = ops::embedding(at::tensor(ids, at::kLong).to(model_.device()), model_.decoder().embed_VC);
    for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) x = run_layer(x, layer, step);
    x = ops::rms_norm(x, model_.decoder().norm_C, config_.rms_norm_eps);
    const at::Tensor logits = model_.logits(x).to(at::kCPU, at::kFloat).contiguous();
    const int64_t vocab = logits.size(1);
    for (size_t r = 0; r < rows.size(); ++r) {
      std::memcpy(logits_RV + r * vocab, logits.data_ptr<float>() + rows[r].slot * vocab, vocab * sizeof(float));
    }
  }

  struct Step {
    at::Tensor positions_cpu;     // [slots]
    at::Tensor slots, positions;  // on the device
    at::Tensor hidden_mask;       // [slots, 1, 1, length], true where a row must not look
    int64_t length = 0;
  };

  Step make_step(const std::vector<int64_t>& positions, int64_t length) const {
    Step step;
    step.length = length;
    step.positions_cpu = at::tensor(positions, at::kLong);
    step.positions = step.positions_cpu.to(model_.device());
    const auto index_options = step.positions.options();
    step.slots = at::arange(max_rows_, index_options);
    step.hidden_mask =
        (at::arange(length, index_options).unsqueeze(0) > step.positions.unsqueeze(1)).view({max_rows_, 1, 1, length});
    return step;
  }

  void grow(int64_t positions) {
    if (positions <= capacity_) return;
    const int64_t capacity = (positions + kLengthStep - 1) / kLengthStep * kLengthStep;
    const auto options = model_.decoder().embed_VC.options().requires_grad(false);
    for (KeyValue& cache : caches_) {
      for (at::Tensor* tensor : {&cache.k, &cache.v}) {
        at::Tensor bigger = at::zeros({max_rows_, capacity, config_.num_key_value_heads, config_.head_dim}, options);
        if (tensor->defined()) bigger.narrow(1, 0, capacity_).copy_(*tensor);
        *tensor = bigger;
      }
    }
    capacity_ = capacity;
  }

  at::Tensor run_layer(const at::Tensor& x_RC, int64_t layer, const Step& step) {
    const DecoderLayerWeights& w = model_.decoder().layers[layer];
    const auto split = [&](const at::Tensor& y) { return y.view({max_rows_, -1, config_.head_dim}); };
    const ops::RopeTable& rope = model_.rope_table();
    at::Tensor h = ops::rms_norm(x_RC, w.input_norm_C, config_.rms_norm_eps);
    const at::Tensor q =
        ops::rope(split(linear_with_adapter(h, w.q_QC, w.q_bias_Q, w.q_lora)), step.positions_cpu, rope);
    const at::Tensor k =
        ops::rope(split(linear_with_adapter(h, w.k_KC, w.k_bias_K, w.k_lora)), step.positions_cpu, rope);
    const at::Tensor v = split(linear_with_adapter(h, w.v_KC, w.v_bias_K, w.v_lora));
    caches_[layer].k.index_put_({step.slots, step.positions}, k);
    caches_[layer].v.index_put_({step.slots, step.positions}, v);
    const at::Tensor x = x_RC + linear_with_adapter(attend(q, caches_[layer], step), w.o_CQ, w.o_lora);
    h = ops::rms_norm(x, w.post_attention_norm_C, config_.rms_norm_eps);
    const at::Tensor gate = linear_with_adapter(h, w.gate_IC, w.gate_lora);
    const at::Tensor up = linear_with_adapter(h, w.up_IC, w.up_lora);
    return x + linear_with_adapter(ops::silu_mul(gate, up), w.down_CI, w.down_lora);
  }

  // [slots, heads * head_dim]; softmax in float32.
  at::Tensor attend(const at::Tensor& q_RHD, const KeyValue& cache, const Step& step) const {
    const int64_t kv_heads = config_.num_key_value_heads, share = config_.num_attention_heads / kv_heads;
    const at::Tensor q = q_RHD.view({max_rows_, kv_heads, share, config_.head_dim});
    const at::Tensor k = cache.k.narrow(1, 0, step.length).permute({0, 2, 3, 1});  // [slots, G, D, length]
    const at::Tensor v = cache.v.narrow(1, 0, step.length).permute({0, 2, 1, 3});
    at::Tensor scores = at::matmul(q, k).to(at::kFloat) / std::sqrt(static_cast<double>(config_.head_dim));
    scores = scores.masked_fill(step.hidden_mask, -INFINITY);
    return at::matmul(at::softmax(scores, -1).to(v.scalar_type()), v).reshape({max_rows_, -1});
  }

  const Model& model_;
  const TextConfig& config_;
  const int64_t max_prefill_tokens_, max_rows_, max_completion_;
  int64_t capacity_ = 0;
  std::vector<KeyValue> caches_;                 // per layer, [slots, capacity, kv heads, head_dim]
  std::vector<std::vector<KeyValue>> prefixes_;  // [prefix][layer], [prompt length, kv heads, head_dim]
};

}  // namespace

std::unique_ptr<DecodeBackend> make_tensor_backend(const Model& model, const SamplingParams& params,
                                                   const EngineOptions& options) {
  return std::make_unique<TensorBackend>(model, params, options);
}

}  // namespace prosodia
