// Raw CPU kernels of the model: plain pointers, no LibTorch. The torch layer (ops.h) and the rollout engine call the
// same functions, so sampling and learning compute the same bits.
//
// All arithmetic is float32. A bfloat16 model keeps its weights as bfloat16 (PackedLinear widens them in registers) and
// its activations as floats that hold bfloat16 values: the `_bf16` forms and round_bf16_rows() round them where such a
// model stores a tensor.
//
// Contract, "row invariance": the bits of an output row depend only on that row's inputs (for attention: that query and
// the keys and values it sees, in order). They do not depend on the number of rows, the place in the batch, the number
// of threads, how keys are split into prefix and own runs, or whether the AVX2 or the AVX-512 build runs. How:
//   - every linear, score and value sum is one sequential FMA chain (acc = fma(a_k, b_k, acc), k = 0, 1, …; acc0 = +0;
//     the bias is added last), vectorised over outputs only;
//   - row sums run in 16 fixed lanes (element i goes to lane i mod 16, in order) and end in one fixed tree;
//   - exp and erf are own polynomials applied to full vectors; there are no scalar tails.
//
// Threads: all functions are reentrant (scratch memory is thread-local and grows only). Failure: a CPU without AVX2 and
// FMA, or a broken shape, aborts (PROSODIA_CHECK). Pointers need no alignment. Rows are contiguous; `*_stride`
// arguments count floats between the starts of rows. Shape letters: R rows, K inputs, N outputs, C channels, H query
// heads, G key/value heads (H a multiple of G; head h reads kv head h / (H/G)), D head dim, V vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "workers/model/ops/bf16.h"

namespace prosodia::ops {

enum class Isa { kAvx2, kAvx512 };
bool cpu_supports(Isa isa);
Isa active_isa();         // the best supported one, unless forced
void force_isa(Isa isa);  // tests and benches; not while kernels run in other threads

// A 64-byte aligned float buffer that grows only; contents are lost when it grows. Move-only.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(size_t floats) { reserve(floats); }
  float* reserve(size_t floats);  // at least this many floats; returns data()
  float* data() const { return data_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(float* pointer) const;
  };
  std::unique_ptr<float[], Free> data_;
  size_t capacity_ = 0;
};

// --- linear ----------------------------------------------------------------------------------------------------------

// One weight matrix [outputs, inputs] (row-major, as nn.Linear stores it) and its bias (may be null).
template <class Element>
struct LinearPartOf {
  const Element* weight = nullptr;
  const float* bias = nullptr;
  int64_t outputs = 0;
};
using LinearPart = LinearPartOf<float>;
using LinearPartBf16 = LinearPartOf<Bf16>;

// Weights repacked for the microkernel: panels of 16 outputs, [ceil(N/16)][K][16]. Several parts become one matrix with
// concatenated outputs (merged QKV, gate|up) without changing any output's bits. Holds a copy: call pack() again when
// the weights change (memory is reused when it suffices). forward() is const and may run in several threads at once.
class PackedLinear {
 public:
  PackedLinear() = default;
  PackedLinear(int64_t inputs, std::span<const LinearPart> parts) { pack(inputs, parts); }
  PackedLinear(const float* weight_NK, const float* bias_N, int64_t outputs, int64_t inputs);
  void pack(int64_t inputs, std::span<const LinearPart> parts);
  // Panels of bfloat16: half the memory; the bits of forward() are those of the widened weights.
  void pack(int64_t inputs, std::span<const LinearPartBf16> parts);

  // y[r, n] = sum_k x[r, k] w[n, k] + b[n], not rounded. Same bits as ops::linear(). Strides 0 mean contiguous (inputs,
  // outputs).
  void forward(const float* x_RK, int64_t rows, float* y_RN, int64_t x_stride = 0, int64_t y_stride = 0) const;

  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }

 private:
  template <class Element>
  void pack_parts(int64_t inputs, std::span<const LinearPartOf<Element>> parts);
  template <class Element>
  void multiply(const float* x_RK, int64_t rows, float* y_RN, int64_t x_stride, int64_t y_stride) const;

  int64_t inputs_ = 0, outputs_ = 0;
  bool has_bias_ = false;
  bool panels_are_bf16_ = false;
  AlignedBuffer panels_, bias_;
};

// General forms, used by the torch layer's backward passes. C[r, n] (+)= sum_k A[r, k] B[k, n], one sequential chain
// over k that starts at 0, or at the old C when `accumulate`. B as stored: row-major [K, N], or [N, K] for the
// `_transposed` form; A row-major [R, K], or [K, R] in matmul_a_transposed.
enum class Accumulate { kNo, kYes };
void matmul(const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t rows,
            int64_t inner, int64_t cols, Accumulate accumulate);
void matmul_b_transposed(const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t rows,
                         int64_t inner, int64_t cols, Accumulate accumulate);
void matmul_a_transposed(const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc, int64_t rows,
                         int64_t inner, int64_t cols, Accumulate accumulate);

// --- rows: norms, rope, activations ----------------------------------------------------------------------------------

// y = (x * rsqrt(mean(x^2) + eps)) * w. In place allowed (y == x).
void rms_norm_rows(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* weight, float eps,
                   float* y, int64_t y_stride);
// For a bfloat16 model: the normalised row is rounded, then its product with the weight.
void rms_norm_rows_bf16(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* weight,
                        float eps, float* y, int64_t y_stride);
// y = (x - mean) * rsqrt(var + eps) * w + b, var biased, two passes. In place allowed.
void layer_norm_rows(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* weight,
                     const float* bias, float eps, float* y, int64_t y_stride);
// Rotates heads of D channels by rotate_half: first half x1, second x2 -> x1 cos - x2 sin, x2 cos + x1 sin.
// cos and sin: [positions, D/2] tables (RopeTable in ops.h). Row r holds `heads` heads at x + r * x_stride. In place
// allowed.
void rope_rows(const float* x, int64_t x_stride, int64_t rows, int64_t heads, int64_t head_dim,
               const int64_t* positions, const float* cos, const float* sin, float* y, int64_t y_stride);
// y = silu(gate) * up; gate and up may be the two halves of a merged projection's rows (stride 2 I).
void silu_mul_rows(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int64_t rows,
                   int64_t channels, float* y, int64_t y_stride);
// For a bfloat16 model: silu(gate) is rounded, then the product.
void silu_mul_rows_bf16(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int64_t rows,
                        int64_t channels, float* y, int64_t y_stride);
// y = x rounded to bfloat16, to nearest even; in place allowed.
void round_bf16_rows(const float* x, int64_t count, float* y);
void widen_bf16_rows(const Bf16* x, int64_t count, float* y);            // exact
void gelu_rows(const float* x, int64_t count, float* y);                 // exact (erf) GELU
void add_rows(const float* a, const float* b, int64_t count, float* y);  // y = a + b (residual); y may be a or b

// --- attention over cached keys (decode) -----------------------------------------------------------------------------

// Memory layout of one sequence's keys and values in one layer, a "slab" of `floats(capacity)` floats: keys as panels
// [G][capacity/16][D][16] (transposed, so that scores vectorise over keys), then values [G][capacity][D padded to 16].
// capacity is a multiple of 16. A fresh slab must be zero-filled (kv_clear) once; stale rows beyond a run's length are
// never read into a result, and reusing a slab for another sequence needs no clearing.
struct KvLayout {
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t padded_dim() const { return (head_dim + 15) / 16 * 16; }
  static int64_t round_capacity(int64_t positions) { return (positions + 15) / 16 * 16; }
  int64_t key_floats(int64_t capacity) const { return kv_heads * capacity * head_dim; }
  int64_t floats(int64_t capacity) const { return kv_heads * capacity * (head_dim + padded_dim()); }
};
void kv_clear(const KvLayout& layout, float* slab, int64_t capacity);
// Stores keys and values (after rope) of `count` consecutive positions, row i at k + i * k_stride as [G, D].
void kv_store(const KvLayout& layout, float* slab, int64_t capacity, int64_t position, int64_t count, const float* k,
              int64_t k_stride, const float* v, int64_t v_stride);

// The first `length` positions of a slab; length 0 (slab may be null): nothing.
struct KvRun {
  const float* slab = nullptr;
  int64_t capacity = 0;
  int64_t length = 0;
};
// What one query row sees: all of prefix, then all of own (the row's own key and value are already stored in it).
struct KvView {
  KvRun prefix;  // the group's shared prompt
  KvRun own;     // the sample's own positions
};
// out[r] = attention of row r's H heads over views[r]. Row r: q + r * q_stride as [H, D]; out likewise. Same bits as
// ops::attention() on the packed sequence. Neighbouring rows with the same prefix slab are computed together (faster,
// same bits), so keep a group's rows adjacent.
void attend_rows_cached(const KvLayout& layout, int64_t heads, float scale, const float* q, int64_t q_stride,
                        std::span<const KvView> views, float* out, int64_t out_stride);

// --- logits ----------------------------------------------------------------------------------------------------------

// Softmax statistics run over the vocabulary in chunks of so many columns, counted from column 0.
inline constexpr int64_t kVocabChunk = 4096;
// ops::token_logprobs() makes its logits in blocks of so many rows by kVocabChunk columns, and keeps them for its
// backward when all of them together are not more than so many floats (128 MB).
inline constexpr int64_t kLogitRowBlock = 256;
inline constexpr int64_t kMaxKeptLogits = int64_t{1} << 25;

// Of z = logit * inverse_temperature over a whole row. Same bits as inside ops::token_logprobs().
struct LogitsStats {
  float max = 0;        // of z
  float logsumexp = 0;  // of z
  float entropy = 0;    // nats, of softmax(z)
};
LogitsStats logits_stats(const float* logits, int64_t vocab, float inverse_temperature);
// log softmax(z)[token]: the log-probability to record for a sampled token.
inline float token_logprob(float logit, float inverse_temperature, const LogitsStats& stats) {
  return logit * inverse_temperature - stats.logsumexp;
}
// p[i] = exp(logits[i] * inverse_temperature - shift); shift = stats.logsumexp gives probabilities. In place allowed.
void exp_rows(const float* logits, int64_t count, float inverse_temperature, float shift, float* p);
// Index of the largest element, the first one on ties.
int64_t argmax_row(const float* values, int64_t count);

}  // namespace prosodia::ops
