// The functions of one instruction set's build. isa/table.cc is compiled once per instruction set and exports one
// table; kernels.cc picks a table at startup. Argument structs are plain data. All functions are reentrant; shapes are
// checked by the callers. See kernels.h for the bit contract.
#pragma once

#include <cstdint>

#include "workers/model/ops/bf16.h"

namespace prosodia::ops {

// C[r, n] = (accumulate ? C : 0) + sum_k A[r, k] B[k, n], then + bias[n]: one sequential FMA chain over k per element.
// A[r, k] is a[r * a_stride + k], or a[k * a_stride + r] when a_transposed.
// B in column groups of 16: element (k, 16 g + j) is b[g * b_group_stride + k * b_row_stride + j]; the last group is
// padded to 16 readable elements. bias is padded likewise or null. B is float or bfloat16 (widened in registers, so the
// bits are those of the widened matrix).
template <class Element>
struct GemmArgsOf {
  const float* a;
  int64_t a_stride;
  bool a_transposed;
  const Element* b;
  int64_t b_group_stride, b_row_stride;
  const float* bias;
  float* c;
  int64_t c_stride;
  int64_t rows, inner, cols;
  bool accumulate;
};
using GemmArgs = GemmArgsOf<float>;
using GemmArgsBf16 = GemmArgsOf<Bf16>;

// One (segment, kv head): rows [0, queries * group) of the score matrix are (token, head in group) pairs. Pointers
// point at the segment's first row and the kv head's (first) head. Keys are the prefix rows, then the own rows.
struct AttentionArgs {
  const float *q, *k, *v;                // own rows
  const float *prefix_k, *prefix_v;      // prefix rows; same strides
  int64_t q_stride, k_stride, v_stride;  // floats between tokens
  int64_t queries, prefix, group, dim;   // own rows, prefix rows, query heads per kv head, head dim
  bool causal;
  float scale;
  float* out;  // forward
  int64_t out_stride;
  const float* dout;  // backward: gradient of out, gradients are added to dk, dv; dq is overwritten
  int64_t dout_stride;
  float *dq, *dk, *dv, *prefix_dk, *prefix_dv;
  int64_t dq_stride, dk_stride, dv_stride;
  // Packed prefix of the previous call may be reused (same prefix rows and kv head): workspace still holds it.
  bool prefix_is_packed;
  float* workspace;  // attention_workspace_floats()
};

// One kv head of neighbouring rows that share one prefix.
struct DecodeArgs {
  const float* q;  // at the kv head's first query head
  int64_t q_stride;
  int64_t rows, group, dim, padded_dim;
  float scale;
  const float *prefix_keys, *prefix_values;  // key panels [length/16][D][16], values [length][padded_dim]
  int64_t prefix;
  const float* const* own_keys;  // per row
  const float* const* own_values;
  const int64_t* own;  // per row length
  float* out;
  int64_t out_stride;
  float* workspace;  // decode_workspace_floats(rows * group, longest)
};

struct ChunkStats {
  float max, sum, weighted;  // max z, sum e^(z - max), sum e^(z - max) (z - max)
};

struct KernelTable {
  void (*gemm)(const GemmArgs&);
  // Copies [rows, inner] row-major (the transposed operand, e.g. a weight) into groups of 16 rows:
  // [rows/16][inner][16].
  void (*pack_transposed)(const float* b, int64_t stride, int64_t rows, int64_t inner, float* out);
  // Copies [inner, cols] row-major into [cols/16][inner][16].
  void (*pack_rows)(const float* b, int64_t stride, int64_t inner, int64_t cols, float* out);
  void (*gemm_bf16)(const GemmArgsBf16&);
  void (*pack_transposed_bf16)(const Bf16* b, int64_t stride, int64_t rows, int64_t inner, Bf16* out);
  void (*pack_rows_bf16)(const Bf16* b, int64_t stride, int64_t inner, int64_t cols, Bf16* out);
  void (*round_bf16)(const float* x, int64_t count, float* y);  // to nearest even; stays float
  void (*widen_bf16)(const Bf16* x, int64_t count, float* y);

  void (*rms_norm)(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* w, float eps,
                   float* y, int64_t y_stride);
  // Rounds where a bfloat16 model does: the normalised row, then its product with w.
  void (*rms_norm_bf16)(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* w, float eps,
                        float* y, int64_t y_stride);
  void (*rms_norm_backward)(const float* x, const float* dy, int64_t rows, int64_t channels, const float* w, float eps,
                            float* dx, float* dw);  // dw: added to
  void (*layer_norm)(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* w, const float* b,
                     float eps, float* y, int64_t y_stride);
  void (*layer_norm_backward)(const float* x, const float* dy, int64_t rows, int64_t channels, const float* w,
                              float eps, float* dx, float* dw, float* db);  // dw, db: added to
  // sin_sign -1 gives the inverse rotation (the gradient).
  void (*rope)(const float* x, int64_t x_stride, int64_t rows, int64_t heads, int64_t dim, const int64_t* positions,
               const float* cos, const float* sin, float sin_sign, float* y, int64_t y_stride);
  void (*silu_mul)(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int64_t rows,
                   int64_t channels, float* y, int64_t y_stride);
  // Rounds silu(gate), then the product.
  void (*silu_mul_bf16)(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int64_t rows,
                        int64_t channels, float* y, int64_t y_stride);
  void (*silu_mul_backward)(const float* gate, const float* up, const float* dy, int64_t count, float* dgate,
                            float* dup);
  void (*gelu)(const float* x, int64_t count, float* y);
  void (*gelu_backward)(const float* x, const float* dy, int64_t count, float* dx);
  void (*add)(const float* a, const float* b, int64_t count, float* y);
  void (*column_sums)(const float* x, int64_t rows, int64_t channels, float* sums);  // added to

  int64_t (*attention_workspace_floats)(int64_t queries, int64_t prefix, int64_t group, int64_t dim, bool backward);
  void (*attention)(const AttentionArgs&);
  void (*attention_backward)(const AttentionArgs&);
  int64_t (*decode_workspace_floats)(int64_t query_rows, int64_t longest, int64_t dim);
  void (*attend_cached)(const DecodeArgs&);

  ChunkStats (*chunk_stats)(const float* logits, int64_t count, float inverse_temperature);
  void (*exp_row)(const float* logits, int64_t count, float inverse_temperature, float shift, float* p);
  // gradient = -factor * exp(logit * inverse_temperature - logsumexp). In place allowed.
  void (*softmax_gradient)(const float* logits, int64_t count, float inverse_temperature, float logsumexp, float factor,
                           float* gradient);
  int64_t (*argmax)(const float* values, int64_t count);
};

namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
const KernelTable& kernels();  // the active table

}  // namespace prosodia::ops
