// The model's operators on tensors, with gradients. One forward for sampling, learning and scoring.
//
// Caller: workers/model (and the learner, through it). CPU tensors in float32 and bfloat16 take the row-invariant
// kernels of kernels.h: the bits of an output row do not depend on what else is in the batch, on threads or on the
// instruction set; the rollout engine's raw kernels give the same bits. bfloat16 operands are widened, computed with in
// float32, and the result is rounded once (rms_norm and silu_mul also round in the middle, where the model stores a
// tensor); gradients likewise. Any other dtype or device takes a composite of ATen operators with the same meaning
// (float32 inside norms, rope and softmax), without the bit contract. The CUDA route compiles here and has not run on a
// GPU. Gradients are deterministic on CPU: every sum has a fixed order.
//
// Call them qualified (ops::linear): at:: has functions of the same names, which argument-dependent lookup would find.
// Threads: reentrant; large CPU work is split over rows with at::parallel_for when at::get_num_threads() > 1.
// Failure: a wrong shape or dtype is a bug of the caller and aborts (PROSODIA_CHECK).
// Shape letters: T tokens (packed rows of all sequences), R rows, C channels, K inputs, N outputs, H heads, G kv heads,
// D head dim, I intermediate, V vocabulary, O conv outputs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "workers/model/ops/kernels.h"

namespace prosodia::ops {

// y_TN = x_TK w_NK^T + b_N, in x's dtype: float32 rows through bfloat16 weights stay float32. x may have any leading
// dimensions. On CPU, x may also have strided rows.
at::Tensor linear(const at::Tensor& x_TK, const at::Tensor& w_NK, const std::optional<at::Tensor>& b_N = std::nullopt);
// The decode path's copy of the same weights (fp32 CPU only): same bits as linear().
PackedLinear pack_linear(const at::Tensor& w_NK, const std::optional<at::Tensor>& b_N = std::nullopt);

// Normalise over the last dimension. rms_norm: x * rsqrt(mean(x^2) + eps), cast to x's dtype, then times w (Qwen2
// order).
at::Tensor rms_norm(const at::Tensor& x_TC, const at::Tensor& w_C, double eps);
at::Tensor layer_norm(const at::Tensor& x_TC, const at::Tensor& w_C, const at::Tensor& b_C, double eps);
at::Tensor gelu(const at::Tensor& x);                                     // exact (erf)
at::Tensor silu_mul(const at::Tensor& gate_TI, const at::Tensor& up_TI);  // silu(gate) * up

// cos and sin of position * theta^(-2j/D), float32, computed as transformers does. Immutable after construction; cheap
// to copy (shared tensors).
class RopeTable {
 public:
  RopeTable() = default;
  RopeTable(int64_t head_dim, double theta, int64_t max_positions);
  RopeTable(at::Tensor cos, at::Tensor sin);  // ready-made [positions, D/2] tables
  int64_t head_dim() const { return head_dim_; }
  int64_t max_positions() const { return max_positions_; }
  const at::Tensor& cos() const { return cos_; }  // [max_positions, D/2] fp32 CPU, contiguous
  const at::Tensor& sin() const { return sin_; }
  const float* cos_data() const;  // for rope_rows
  const float* sin_data() const;

 private:
  int64_t head_dim_ = 0, max_positions_ = 0;
  at::Tensor cos_, sin_;
};
// Rotates every head (rotate_half convention). positions_T: int64 on CPU, each in [0, max_positions).
at::Tensor rope(const at::Tensor& x_THD, const at::Tensor& positions_T, const RopeTable& table);

// Rows [begin, end) are one sequence: each sees all rows [prefix_begin, prefix_end) (first) and its own rows: up to and
// including itself when causal, all of [begin, end) when not (the audio encoder's chunks). Several segments may share a
// prefix (the prompt of a group); the prefix rows are themselves covered by a segment of their own. Segments must not
// overlap; rows in no segment give zeros. The prefix must lie before begin or after end.
struct AttentionSegment {
  int64_t begin = 0, end = 0;
  int64_t prefix_begin = 0, prefix_end = 0;
  bool causal = true;
};
// softmax(scale q k^T) v per segment and head. Last dimension contiguous; token stride free (views of a merged QKV
// work).
at::Tensor attention(const at::Tensor& q_THD, const at::Tensor& k_TGD, const at::Tensor& v_TGD,
                     std::span<const AttentionSegment> segments, double scale);

struct TokenLogProbs {
  at::Tensor logprobs;  // [R] fp32, with gradient to h and w
  at::Tensor entropy;   // [R] fp32, no gradient; undefined unless asked for
};
// log softmax(h w^T / temperature)[target], from logits that are not rounded to the weights' type on CPU. Runs in
// blocks of rows and vocabulary columns and recomputes them in backward: never holds [R, V]. h rows: the hidden states
// that predict the targets (the caller shifts).
TokenLogProbs token_logprobs(const at::Tensor& h_RC, const at::Tensor& w_VC, const at::Tensor& targets_R,
                             double temperature, bool want_entropy);

// A run of rows; used where a packed tensor holds several independent sequences.
struct RowRange {
  int64_t begin = 0, end = 0;
};
// 1-D convolution with rows as time, zero padding at both ends of every range (im2col + linear, so row-invariant). The
// outputs of the ranges are concatenated; a range of l rows gives (l + 2 pad - k) / stride + 1. The second form treats
// all rows as one range.
at::Tensor conv1d(const at::Tensor& x_TC, const at::Tensor& w_OCK, const std::optional<at::Tensor>& b_O, int64_t stride,
                  int64_t pad, std::span<const RowRange> ranges);
at::Tensor conv1d(const at::Tensor& x_TC, const at::Tensor& w_OCK, const std::optional<at::Tensor>& b_O, int64_t stride,
                  int64_t pad);
// Means of rows (0, 1), (2, 3), … of every range; an odd last row is dropped. Outputs are concatenated.
at::Tensor avg_pool_pairs(const at::Tensor& x_TC, std::span<const RowRange> ranges);
at::Tensor avg_pool_pairs(const at::Tensor& x_TC);

// Rows of w_VC; the gradient is dense and summed in token order. ids_T: int64 on CPU or on w's device.
at::Tensor embedding(const at::Tensor& ids_T, const at::Tensor& w_VC);

}  // namespace prosodia::ops
