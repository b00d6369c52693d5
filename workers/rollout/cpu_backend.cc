// Decoding on raw kernels: CPU, float32 or bfloat16. Weights are repacked once a version; a step allocates nothing.
// A bfloat16 model keeps bfloat16 weights; its activations, keys and values are floats rounded where Model::hidden
// stores a bfloat16 tensor.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "data/base/check.h"
#include "workers/model/model_parts.h"
#include "workers/model/ops/kernels.h"
#include "workers/rollout/packed_adapter.h"
#include "workers/rollout/prefill.h"

namespace prosodia {
namespace {

using ops::AlignedBuffer;

struct PackedLayer {
  ops::PackedLinear qkv, o, gate_up, down;
  PackedAdapter qkv_adapter, o_adapter, gate_up_adapter, down_adapter;
  at::Tensor input_norm, post_attention_norm;  // float32
};

// Keys and values of all layers of one sequence.
struct Slab {
  AlignedBuffer buffer;
  int64_t capacity = 0;  // positions
};

// Row-major scratch of one decode step; each row uses its own part, so blocks of rows can run side by side.
struct Scratch {
  AlignedBuffer x, normed, qkv, mixed, projected, gate_up, activated, adapter;
};

class CpuBackend : public DecodeBackend {
 public:
  CpuBackend(const Model& model, const SamplingParams& params, const EngineOptions& options)
      : model_(model),
        config_(model.config().text),
        bf16_(model.dtype() == at::kBFloat16),
        max_prefill_tokens_(options.max_prefill_tokens),
        layout_{config_.num_key_value_heads, config_.head_dim},
        q_width_(config_.num_attention_heads * config_.head_dim),
        kv_width_(config_.num_key_value_heads * config_.head_dim),
        own_capacity_(ops::KvLayout::round_capacity(params.max_completion_length)),
        slots_(options.max_rows) {
    weights_changed();
    make_scratch(options.max_rows);
  }

  void prefill(std::span<const PrefillItem> items) override {
    for (const PrefillItem& item : items) {
      if (prefixes_.size() <= static_cast<size_t>(item.prefix)) prefixes_.resize(item.prefix + 1);
      reserve(prefixes_[item.prefix], static_cast<int64_t>(item.prompt->token_ids.size()));
    }
    run_prefill(model_, items, max_prefill_tokens_,
                [&](size_t item, int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD) {
                  store(prefixes_[items[item].prefix], layer, k_TGD, v_TGD);
                });
  }

  void start_row(int slot, int /*prefix*/) override { reserve(slots_[slot], own_capacity_); }

  void prefill_shared(const SharedPrefill& item) override {
    if (prefixes_.empty()) prefixes_.resize(kSharedPrefix + 1);
    std::vector<Slab*> slabs = {&prefixes_[kSharedPrefix]};
    reserve(*slabs[0], static_cast<int64_t>(item.prefix_ids.size()));
    for (const SharedPrefill::Suffix& suffix : item.suffixes) {
      slabs.push_back(&slots_[suffix.slot]);
      reserve(*slabs.back(), static_cast<int64_t>(suffix.token_ids.size()) + own_capacity_);
    }
    run_prefill_shared(model_, item, [&](size_t i, int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD) {
      store(*slabs[i], layer, k_TGD, v_TGD);
    });
  }
  // The slab keeps its memory for the next group that gets this handle.
  void release_prefix(int /*prefix*/) override {}

  void decode(std::span<const DecodeRow> rows, int64_t tokens_per_slot, float* logits_SV) override {
    const auto count = static_cast<int64_t>(rows.size());
    PROSODIA_CHECK(tokens_per_slot > 0 && count % tokens_per_slot == 0, "{} rows of {} a slot", count, tokens_per_slot);
    make_scratch(count);
    // Slots do not influence each other, so any split over threads gives the same bits.
    const int64_t grain = std::max<int64_t>(1, 16 / tokens_per_slot);
    at::parallel_for(0, count / tokens_per_slot, grain, [&](int64_t begin, int64_t end) {
      decode_block(rows, begin * tokens_per_slot, end * tokens_per_slot, tokens_per_slot,
                   logits_SV + begin * config_.vocab_size);
    });
  }

  void weights_changed() override {
    const DecoderWeights& w = model_.decoder();
    const int64_t hidden = config_.hidden_size, inner = config_.intermediate_size;
    layers_.resize(w.layers.size());
    for (size_t i = 0; i < layers_.size(); ++i) {
      const DecoderLayerWeights& from = w.layers[i];
      PackedLayer& to = layers_[i];
      pack(to.qkv, hidden, {{from.q_QC, from.q_bias_Q}, {from.k_KC, from.k_bias_K}, {from.v_KC, from.v_bias_K}});
      pack(to.o, q_width_, {{from.o_CQ, {}}});
      pack(to.gate_up, hidden, {{from.gate_IC, {}}, {from.up_IC, {}}});
      pack(to.down, inner, {{from.down_CI, {}}});
      to.input_norm = from.input_norm_C.detach().to(at::kFloat);
      to.post_attention_norm = from.post_attention_norm_C.detach().to(at::kFloat);
    }
    pack(head_, hidden, {{w.head_VC, {}}});
    final_norm_ = w.norm_C.detach().to(at::kFloat);
    adapter_changed();
  }

  void adapter_changed() override {
    const DecoderWeights& w = model_.decoder();
    const int64_t hidden = config_.hidden_size, inner = config_.intermediate_size;
    adapter_floats_ = 0;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const DecoderLayerWeights& from = w.layers[i];
      PackedLayer& to = layers_[i];
      pack(to.qkv_adapter, {{&from.q_lora, q_width_}, {&from.k_lora, kv_width_}, {&from.v_lora, kv_width_}});
      pack(to.o_adapter, {{&from.o_lora, hidden}});
      pack(to.gate_up_adapter, {{&from.gate_lora, inner}, {&from.up_lora, inner}});
      pack(to.down_adapter, {{&from.down_lora, hidden}});
    }
    scratch_rows_ = 0;  // it follows the widest adapter
  }

 private:
  // For `rows` in one step; allocates only when there are more than ever before.
  void make_scratch(int64_t rows) {
    if (rows <= scratch_rows_) return;
    scratch_rows_ = rows;
    scratch_.x.reserve(rows * config_.hidden_size);
    scratch_.normed.reserve(rows * config_.hidden_size);
    scratch_.qkv.reserve(rows * qkv_width());
    scratch_.mixed.reserve(rows * q_width_);
    scratch_.projected.reserve(rows * config_.hidden_size);
    scratch_.gate_up.reserve(rows * 2 * config_.intermediate_size);
    scratch_.activated.reserve(rows * config_.intermediate_size);
    scratch_.adapter.reserve(rows * adapter_floats_);
    views_.resize(rows);
    positions_.resize(rows);
  }

  int64_t qkv_width() const { return q_width_ + 2 * kv_width_; }

  using Parts = std::vector<std::pair<at::Tensor, at::Tensor>>;
  template <class Element>
  static void pack_as(ops::PackedLinear& to, int64_t inputs, const Parts& parts) {
    std::vector<ops::LinearPartOf<Element>> raw;
    std::vector<at::Tensor> biases;  // in float32, alive until packed
    for (const auto& [weight, bias] : parts) {
      if (bias.defined()) biases.push_back(bias.detach().to(at::kFloat));
      raw.push_back({static_cast<const Element*>(weight.const_data_ptr()),
                     bias.defined() ? biases.back().const_data_ptr<float>() : nullptr, weight.size(0)});
    }
    to.pack(inputs, std::span<const ops::LinearPartOf<Element>>(raw));
  }
  void pack(ops::PackedLinear& to, int64_t inputs, const Parts& parts) const {
    if (bf16_)
      pack_as<ops::Bf16>(to, inputs, parts);
    else
      pack_as<float>(to, inputs, parts);
  }

  // Where Model::hidden stores a tensor.
  void settle(float* x, int64_t count) const {
    if (bf16_) ops::round_bf16_rows(x, count, x);
  }
  // Of every `step`-th row.
  void rms_norm(const float* x, int64_t count, const at::Tensor& weight, float* y, int64_t step = 1) const {
    const auto kernel = bf16_ ? ops::rms_norm_rows_bf16 : ops::rms_norm_rows;
    kernel(x, step * config_.hidden_size, count, config_.hidden_size, weight.const_data_ptr<float>(),
           static_cast<float>(config_.rms_norm_eps), y, config_.hidden_size);
  }
  void embed_token(int32_t token, float* x) const {
    const at::Tensor& table = model_.decoder().embed_VC;
    const int64_t hidden = config_.hidden_size, at = token * hidden;
    if (bf16_)
      ops::widen_bf16_rows(static_cast<const ops::Bf16*>(table.const_data_ptr()) + at, hidden, x);
    else
      std::memcpy(x, table.const_data_ptr<float>() + at, hidden * sizeof(float));
  }

  void pack(PackedAdapter& to, const std::vector<AdapterPart>& parts) {
    to.pack(parts);
    adapter_floats_ = std::max(adapter_floats_, to.scratch_floats());
  }

  // A projection with its adapter, y = W x + b + B(scaling A x), rounded where linear_with_adapter rounds.
  void project(const ops::PackedLinear& linear, const PackedAdapter& adapter, const float* x, int64_t begin,
               int64_t count, float* y) {
    linear.forward(x, count, y);
    settle(y, count * linear.outputs());
    if (adapter.empty()) return;
    adapter.add(x, count, y, linear.outputs(), scratch_.adapter.data() + begin * adapter_floats_);
    settle(y, count * linear.outputs());
  }

  void reserve(Slab& slab, int64_t positions) const {
    if (slab.capacity >= positions) return;
    slab.capacity = ops::KvLayout::round_capacity(positions);
    slab.buffer.reserve(layout_.floats(slab.capacity) * config_.num_hidden_layers);
    for (int layer = 0; layer < config_.num_hidden_layers; ++layer) {
      ops::kv_clear(layout_, layer_data(slab, layer), slab.capacity);
    }
  }

  float* layer_data(const Slab& slab, int layer) const {
    return slab.buffer.data() + layout_.floats(slab.capacity) * layer;
  }

  // The first positions of a slab.
  void store(Slab& slab, int layer, const at::Tensor& k_TGD, const at::Tensor& v_TGD) const {
    const at::Tensor k = k_TGD.to(at::kFloat), v = v_TGD.to(at::kFloat);
    ops::kv_store(layout_, layer_data(slab, layer), slab.capacity, 0, k.size(0), k.data_ptr<float>(), kv_width_,
                  v.data_ptr<float>(), kv_width_);
  }

  void decode_block(std::span<const DecodeRow> rows, int64_t begin, int64_t end, int64_t tokens_per_slot,
                    float* logits) {
    const int64_t count = end - begin, hidden = config_.hidden_size;
    float* x = scratch_.x.data() + begin * hidden;
    for (int64_t r = 0; r < count; ++r) {
      const DecodeRow& row = rows[begin + r];
      embed_token(row.token, x + r * hidden);
      positions_[begin + r] = row.prompt_length + row.index;
    }
    for (int layer = 0; layer < config_.num_hidden_layers; ++layer) run_layer(rows, begin, count, layer, x);
    float* normed = scratch_.normed.data() + begin * hidden;
    const int64_t slots = count / tokens_per_slot;
    rms_norm(x + (tokens_per_slot - 1) * hidden, slots, final_norm_, normed, tokens_per_slot);
    head_.forward(normed, slots, logits);
  }

  void run_layer(std::span<const DecodeRow> rows, int64_t begin, int64_t count, int layer, float* x) {
    const PackedLayer& w = layers_[layer];
    const int64_t hidden = config_.hidden_size, inner = config_.intermediate_size, width = qkv_width();
    float* normed = scratch_.normed.data() + begin * hidden;
    float* qkv = scratch_.qkv.data() + begin * width;
    float* projected = scratch_.projected.data() + begin * hidden;

    rms_norm(x, count, w.input_norm, normed);
    project(w.qkv, w.qkv_adapter, normed, begin, count, qkv);
    attend(rows, begin, count, layer, qkv);
    project(w.o, w.o_adapter, scratch_.mixed.data() + begin * q_width_, begin, count, projected);
    add_projected(projected, count * hidden, x);

    float* gate_up = scratch_.gate_up.data() + begin * 2 * inner;
    float* activated = scratch_.activated.data() + begin * inner;
    rms_norm(x, count, w.post_attention_norm, normed);
    project(w.gate_up, w.gate_up_adapter, normed, begin, count, gate_up);
    const auto silu_mul = bf16_ ? ops::silu_mul_rows_bf16 : ops::silu_mul_rows;
    silu_mul(gate_up, 2 * inner, gate_up + inner, 2 * inner, count, inner, activated, inner);
    project(w.down, w.down_adapter, activated, begin, count, projected);
    add_projected(projected, count * hidden, x);
  }

  void add_projected(const float* projected, int64_t count, float* x) const {
    ops::add_rows(x, projected, count, x);
    settle(x, count);
  }

  // Rotates q and k in place, appends k and v to each row's slab, and attends over prefix and own positions. Rows of
  // one slot are stored before any attends, and each sees only what stands before it.
  void attend(std::span<const DecodeRow> rows, int64_t begin, int64_t count, int layer, float* qkv) {
    const int64_t width = qkv_width(), head_dim = config_.head_dim;
    const float *cos = model_.rope_table().cos_data(), *sin = model_.rope_table().sin_data();
    // Query and key heads lie side by side in the merged projection.
    ops::rope_rows(qkv, width, count, config_.num_attention_heads + config_.num_key_value_heads, head_dim,
                   positions_.data() + begin, cos, sin, qkv, width);
    settle(qkv, count * width);
    for (int64_t r = 0; r < count; ++r) {
      const DecodeRow& row = rows[begin + r];
      const Slab& own = slots_[row.slot];
      const Slab& prefix = prefixes_[row.prefix];
      const float* k = qkv + r * width + q_width_;
      ops::kv_store(layout_, layer_data(own, layer), own.capacity, row.index, 1, k, kv_width_, k + kv_width_,
                    kv_width_);
      views_[begin + r] = {.prefix = {layer_data(prefix, layer), prefix.capacity, row.prompt_length},
                           .own = {layer_data(own, layer), own.capacity, row.index + 1}};
    }
    const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
    float* mixed = scratch_.mixed.data() + begin * q_width_;
    ops::attend_rows_cached(layout_, config_.num_attention_heads, scale, qkv, width,
                            std::span(views_).subspan(begin, count), mixed, q_width_);
    settle(mixed, count * q_width_);
  }

  const Model& model_;
  const TextConfig& config_;
  const bool bf16_;
  const int64_t max_prefill_tokens_;
  const ops::KvLayout layout_;
  const int64_t q_width_, kv_width_, own_capacity_;
  std::vector<PackedLayer> layers_;
  ops::PackedLinear head_;
  at::Tensor final_norm_;       // float32
  int64_t adapter_floats_ = 0;  // scratch of one row
  int64_t scratch_rows_ = 0;
  std::vector<Slab> prefixes_, slots_;
  std::vector<ops::KvView> views_;
  std::vector<int64_t> positions_;
  Scratch scratch_;
};

}  // namespace

std::unique_ptr<DecodeBackend> make_cpu_backend(const Model& model, const SamplingParams& params,
                                                const EngineOptions& options) {
  return std::make_unique<CpuBackend>(model, params, options);
}

}  // namespace prosodia
