// The forward: audio tower, merging of audio rows, decoder. Shapes as in model.h and model_parts.h.
#include <ATen/ATen.h>

#include "data/base/check.h"
#include "workers/model/lora_linear.h"
#include "workers/model/model_impl.h"

namespace prosodia {
namespace {

constexpr double kLayerNormEps = 1e-5;

// The mel frames of all clips as rows, and where chunks and clips lie before and after the stride-2 convolution.
struct AudioRows {
  at::Tensor mel_TB;                               // [mel frames, bins]
  std::vector<ops::RowRange> chunks;               // of mel frames
  std::vector<ops::AttentionSegment> conv_chunks;  // of rows after conv2
  std::vector<ops::RowRange> conv_clips;           // of rows after conv2
};

AudioRows lay_out_audio(std::span<const LogMel* const> clips, const AudioConfig& config) {
  AudioRows rows;
  int64_t frames = 0;
  for (const LogMel* clip : clips) {
    PROSODIA_CHECK(clip->num_mel_bins == config.num_mel_bins, "{} mel bins, the model takes {}", clip->num_mel_bins,
                   config.num_mel_bins);
    PROSODIA_CHECK(clip->num_frames >= 3, "{} frames give no audio token", clip->num_frames);
    frames += clip->num_frames;
  }
  rows.mel_TB = at::empty({frames, config.num_mel_bins}, at::kFloat);
  int64_t frame = 0, conv_row = 0;
  for (const LogMel* clip : clips) {
    const at::Tensor values =
        at::from_blob(const_cast<float*>(clip->values.data()), {clip->num_mel_bins, clip->num_frames}, at::kFloat);
    rows.mel_TB.narrow(0, frame, clip->num_frames).copy_(values.t());
    const int64_t clip_begin = conv_row;
    for (int64_t begin = 0; begin < clip->num_frames; begin += 2 * config.n_window) {
      const int64_t length = std::min(2 * config.n_window, clip->num_frames - begin);
      const int64_t conv_length = (length - 1) / 2 + 1;
      rows.chunks.push_back({frame + begin, frame + begin + length});
      rows.conv_chunks.push_back({.begin = conv_row, .end = conv_row + conv_length, .causal = false});
      conv_row += conv_length;
    }
    rows.conv_clips.push_back({clip_begin, conv_row});
    frame += clip->num_frames;
  }
  return rows;
}

at::Tensor heads(const at::Tensor& x_TC, int64_t head_dim) { return x_TC.view({x_TC.size(0), -1, head_dim}); }

at::Tensor audio_layer(const at::Tensor& x_TA, const AudioLayerWeights& w, const AudioConfig& config,
                       std::span<const ops::AttentionSegment> chunks) {
  const int64_t head_dim = config.head_dim();
  at::Tensor h = ops::layer_norm(x_TA, w.attention_norm_A, w.attention_norm_bias_A, kLayerNormEps);
  const at::Tensor q = heads(linear_with_adapter(h, w.q_AA, w.q_bias_A, w.q_lora), head_dim);
  const at::Tensor k = heads(linear_with_adapter(h, w.k_AA, w.k_lora), head_dim);
  const at::Tensor v = heads(linear_with_adapter(h, w.v_AA, w.v_bias_A, w.v_lora), head_dim);
  const at::Tensor mixed = ops::attention(q, k, v, chunks, 1.0 / std::sqrt(static_cast<double>(head_dim)));
  const at::Tensor x = x_TA + linear_with_adapter(mixed.reshape_as(x_TA), w.out_AA, w.out_bias_A, w.out_lora);
  h = ops::layer_norm(x, w.ffn_norm_A, w.ffn_norm_bias_A, kLayerNormEps);
  const at::Tensor inner = ops::gelu(linear_with_adapter(h, w.fc1_FA, w.fc1_bias_F, w.fc1_lora));
  const at::Tensor out = x + linear_with_adapter(inner, w.fc2_AF, w.fc2_bias_A, w.fc2_lora);
  if (out.scalar_type() != at::kHalf) return out;
  constexpr double kLimit = 65504.0 - 1000.0;  // as transformers does for fp16 only
  return at::clamp(out, -kLimit, kLimit);
}

at::Tensor decoder_layer(const at::Tensor& x_TC, const DecoderLayerWeights& w, const TextConfig& config,
                         const at::Tensor& positions_T, const ops::RopeTable& rope,
                         std::span<const ops::AttentionSegment> segments, int layer, const KvObserver& observer) {
  at::Tensor h = ops::rms_norm(x_TC, w.input_norm_C, config.rms_norm_eps);
  const at::Tensor q =
      ops::rope(heads(linear_with_adapter(h, w.q_QC, w.q_bias_Q, w.q_lora), config.head_dim), positions_T, rope);
  const at::Tensor k =
      ops::rope(heads(linear_with_adapter(h, w.k_KC, w.k_bias_K, w.k_lora), config.head_dim), positions_T, rope);
  const at::Tensor v = heads(linear_with_adapter(h, w.v_KC, w.v_bias_K, w.v_lora), config.head_dim);
  if (observer) observer(layer, k, v);
  const at::Tensor mixed = ops::attention(q, k, v, segments, 1.0 / std::sqrt(static_cast<double>(config.head_dim)));
  const at::Tensor x = x_TC + linear_with_adapter(mixed.reshape({x_TC.size(0), -1}), w.o_CQ, w.o_lora);
  h = ops::rms_norm(x, w.post_attention_norm_C, config.rms_norm_eps);
  const at::Tensor gate = linear_with_adapter(h, w.gate_IC, w.gate_lora);
  const at::Tensor up = linear_with_adapter(h, w.up_IC, w.up_lora);
  return x + linear_with_adapter(ops::silu_mul(gate, up), w.down_CI, w.down_lora);
}

void report(const StageObserver& observer, Stage stage, const at::Tensor& value, int index = 0) {
  if (observer) observer(stage, index, value);
}

at::Tensor index_tensor(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

}  // namespace

at::Tensor Model::encode_audio(std::span<const LogMel* const> clips, const StageObserver& observer) const {
  PROSODIA_CHECK(impl_->config.audio, "a plain text model has no audio tower");
  PROSODIA_CHECK(!clips.empty());
  const AudioConfig& config = *impl_->config.audio;
  const AudioWeights& w = impl_->audio;
  const AudioRows rows = lay_out_audio(clips, config);
  at::Tensor x = rows.mel_TB.to(device(), dtype());
  x = ops::gelu(ops::conv1d(x, w.conv1, w.conv1_bias_A, /*stride=*/1, /*pad=*/1, rows.chunks));
  x = ops::gelu(ops::conv1d(x, w.conv2, w.conv2_bias_A, /*stride=*/2, /*pad=*/1, rows.chunks));
  std::vector<at::Tensor> positions;  // they restart in every chunk
  for (const ops::AttentionSegment& chunk : rows.conv_chunks) {
    positions.push_back(impl_->sinusoids_PA.narrow(0, 0, chunk.end - chunk.begin));
  }
  x = x + at::cat(positions);
  report(observer, Stage::kConvolved, x);
  int index = 0;
  for (const AudioLayerWeights& layer : w.layers) {
    x = audio_layer(x, layer, config, rows.conv_chunks);
    report(observer, Stage::kAudioLayer, x, index++);
  }
  x = ops::avg_pool_pairs(x, rows.conv_clips);
  report(observer, Stage::kPooled, x);
  const at::Tensor normed = ops::layer_norm(x, w.post_norm_A, w.post_norm_bias_A, kLayerNormEps);
  x = linear_with_adapter(normed, w.proj_CA, w.proj_bias_C, w.proj_lora);
  report(observer, Stage::kAudioEmbeddings, x);
  return x;
}

at::Tensor Model::embed(const PackedBatch& batch, const StageObserver& observer) const {
  const at::Tensor ids = index_tensor(batch.token_ids).to(device());
  const at::Tensor x = ops::embedding(ids, impl_->decoder.embed_VC);
  std::vector<int64_t> audio_rows;
  if (impl_->config.audio) {
    for (size_t i = 0; i < batch.token_ids.size(); ++i) {
      if (batch.token_ids[i] == impl_->config.audio_token_id) audio_rows.push_back(static_cast<int64_t>(i));
    }
  }
  at::Tensor audio = batch.audio_embeddings;
  if (!audio.defined() && !batch.clips.empty()) audio = encode_audio(batch.clips, observer);
  const int64_t count = audio.defined() ? audio.size(0) : 0;
  PROSODIA_CHECK(count == static_cast<int64_t>(audio_rows.size()),
                 "{} audio placeholder tokens, but the clips give {} audio rows", audio_rows.size(), count);
  if (audio_rows.empty()) return x;
  // Not accumulating: the gradient of these rows goes to the audio tower and not to the placeholder's embedding.
  return x.index_put({index_tensor(audio_rows).to(device())}, audio.to(x.scalar_type()));
}

at::Tensor Model::hidden(const PackedBatch& batch, const ForwardObserver& observer) const {
  const TextConfig& config = impl_->config.text;
  PROSODIA_CHECK(!batch.token_ids.empty() && batch.token_ids.size() == batch.positions.size(), "{} ids, {} positions",
                 batch.token_ids.size(), batch.positions.size());
  const at::Tensor positions = index_tensor(batch.positions);
  at::Tensor x = embed(batch, observer.stage);
  report(observer.stage, Stage::kMerged, x);
  int index = 0;
  for (const DecoderLayerWeights& layer : impl_->decoder.layers) {
    x = decoder_layer(x, layer, config, positions, impl_->rope, batch.segments, index, observer.kv);
    report(observer.stage, Stage::kDecoderLayer, x, index++);
  }
  x = ops::rms_norm(x, impl_->decoder.norm_C, config.rms_norm_eps);
  report(observer.stage, Stage::kFinalNorm, x);
  return x;
}

ops::TokenLogProbs Model::logprobs(const at::Tensor& hidden_RC, const at::Tensor& targets_R, double temperature,
                                   bool want_entropy) const {
  return ops::token_logprobs(hidden_RC, head_weight(), targets_R, temperature, want_entropy);
}

// Not rounded to the model's type: the log-probabilities of sampling and learning come from float32 logits.
at::Tensor Model::logits(const at::Tensor& hidden_RC) const {
  return ops::linear(hidden_RC.to(at::kFloat), head_weight());
}

}  // namespace prosodia
