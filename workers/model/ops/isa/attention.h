// Implements AttentionArgs and DecodeArgs (table.h). A query row's scores over [prefix keys, own keys] lie contiguous
// in scratch memory, so neither the split into runs nor the other rows of its block can change a bit of it. Both score
// and value products go through gemm(): one chain over d per score, one chain over keys per output channel.
//
// Rows of a block that see fewer keys than the block's longest row have probability 0 there: fma(0, v, acc) = acc for
// finite v, except that an acc of -0 becomes +0; the final "+ 0" below makes both the same.
#pragma once

#include "workers/model/ops/isa/gemm.h"

namespace prosodia::ops::PROSODIA_ISA {

constexpr int64_t kBlockRows = 48;
PROSODIA_INLINE int64_t padded16(int64_t n) { return (n + 15) & ~int64_t{15}; }
PROSODIA_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
PROSODIA_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
// Query tokens per block: enough rows to fill tiles, few enough that the scores stay in L2.
PROSODIA_INLINE int64_t block_tokens(int64_t group, int64_t keys) {
  return larger(1, (keys > 4096 ? kBlockRows / 4 : kBlockRows) / group);
}

// s[i] -> exp(scale s[i] - max) for i < n, 0 for n <= i < padded16(end); returns the sum.
static float softmax_numerators(float* s, int64_t n, int64_t end, float scale) {
  const F16 minus_infinity = set1(-__builtin_inff());
  for (int64_t i = n; i < padded16(n); ++i) s[i] = -__builtin_inff();
  F16 top = minus_infinity;
  for (int64_t i = 0; i < n; i += 16) top = max(top, load(s + i));
  const F16 factor = set1(scale), shift = set1(max_lanes(top) * scale);
  F16 sum = zero();
  for (int64_t i = 0; i < n; i += 16) {
    const F16 p = exp16(sub(mul(load(s + i), factor), shift));
    sum = add(sum, p);
    store(s + i, p);
  }
  for (int64_t i = padded16(n); i < padded16(end); i += 16) store(s + i, zero());
  return sum_lanes(sum);
}

// out = acc / sum.
PROSODIA_INLINE void write_normalised(const float* acc, float sum, int64_t dim, float* out) {
  const F16 inverse = set1(1.0f / sum);
  PROSODIA_FOR_LANES(i, dim) store_lanes(out + i, fma(load_lanes(acc + i, lanes_left), inverse, zero()), lanes_left);
}

static void copy_padded_rows(const float* from, int64_t stride, int64_t rows, int64_t dim, float* to) {
  const int64_t padded = padded16(dim);
  for (int64_t r = 0; r < rows; ++r, from += stride, to += padded)
    PROSODIA_FOR_LANES(i, dim) store(to + i, load_lanes(from + i, lanes_left));
}

// A view of packed keys: scores = q . panels, and of values or keys as rows of padded_dim.
struct Operand {
  const float* data;
  int64_t group_stride, row_stride;
};
PROSODIA_INLINE Operand panels_of(const float* data, int64_t dim) { return {data, dim * 16, 16}; }
PROSODIA_INLINE Operand rows_of(const float* data, int64_t dim) { return {data, 16, padded16(dim)}; }

PROSODIA_INLINE void multiply(const float* a, int64_t a_stride, bool a_transposed, Operand b, float* c,
                              int64_t c_stride, int64_t rows, int64_t inner, int64_t cols, bool accumulate) {
  gemm<float>({a, a_stride, a_transposed, b.data, b.group_stride, b.row_stride, nullptr, c, c_stride, rows, inner, cols,
               accumulate});
}

// Scratch of one call, cut from the workspace. The packed prefix comes first: its place depends on (prefix, dim) alone.
struct Workspace {
  float *prefix_key_panels, *prefix_value_rows, *prefix_value_panels, *prefix_key_rows;
  float *key_panels, *value_rows, *value_panels, *key_rows;
  float *q, *scores, *acc, *dout, *dscores;
  int64_t score_stride, tokens, floats;
};
static Workspace cut_workspace(float* base, int64_t queries, int64_t prefix, int64_t group, int64_t dim,
                               bool backward) {
  Workspace w{};
  float* next = base;
  const auto take = [&next](int64_t floats) __attribute__((always_inline)) {
    float* at = next;
    next += padded16(floats);
    return at;
  };
  const int64_t padded = padded16(dim), keys = prefix + queries;
  w.prefix_key_panels = take(padded16(prefix) * dim);
  w.prefix_value_rows = take(prefix * padded);
  w.prefix_value_panels = backward ? take(padded16(prefix) * dim) : nullptr;
  w.prefix_key_rows = backward ? take(prefix * padded) : nullptr;
  w.key_panels = take(padded16(queries) * dim);
  w.value_rows = take(queries * padded);
  w.value_panels = backward ? take(padded16(queries) * dim) : nullptr;
  w.key_rows = backward ? take(queries * padded) : nullptr;
  w.tokens = smaller(block_tokens(group, keys), queries);
  w.score_stride = padded16(keys) + 16;
  const int64_t rows = w.tokens * group;
  w.q = take(rows * padded);
  w.scores = take(rows * w.score_stride);
  w.acc = take(rows * padded);
  w.dout = backward ? take(rows * padded) : nullptr;
  w.dscores = backward ? take(rows * w.score_stride) : nullptr;
  w.floats = next - base;
  return w;
}
static int64_t attention_workspace_floats(int64_t queries, int64_t prefix, int64_t group, int64_t dim, bool backward) {
  return cut_workspace(nullptr, queries, prefix, group, dim, backward).floats;
}

static void pack_operands(const AttentionArgs& g, const Workspace& w) {
  if (g.prefix > 0 && !g.prefix_is_packed) {
    pack_transposed(g.prefix_k, g.k_stride, g.prefix, g.dim, w.prefix_key_panels);
    copy_padded_rows(g.prefix_v, g.v_stride, g.prefix, g.dim, w.prefix_value_rows);
    if (w.key_rows) {
      pack_transposed(g.prefix_v, g.v_stride, g.prefix, g.dim, w.prefix_value_panels);
      copy_padded_rows(g.prefix_k, g.k_stride, g.prefix, g.dim, w.prefix_key_rows);
    }
  }
  pack_transposed(g.k, g.k_stride, g.queries, g.dim, w.key_panels);
  copy_padded_rows(g.v, g.v_stride, g.queries, g.dim, w.value_rows);
  if (w.key_rows) {
    pack_transposed(g.v, g.v_stride, g.queries, g.dim, w.value_panels);
    copy_padded_rows(g.k, g.k_stride, g.queries, g.dim, w.key_rows);
  }
}

// Rows (token, head) of tokens [token, token + tokens) to contiguous padded rows.
static void gather_heads(const float* from, int64_t stride, int64_t token, int64_t tokens, int64_t group, int64_t dim,
                         float* to) {
  for (int64_t t = 0; t < tokens; ++t)
    copy_padded_rows(from + (token + t) * stride, dim, group, dim, to + t * group * padded16(dim));
}

// One block of query rows: `own` is the number of own keys its last token sees.
struct Block {
  int64_t token, tokens, rows, own;
  PROSODIA_INLINE Block at(const AttentionArgs& g, const Workspace& w, int64_t token) {
    const int64_t tokens = smaller(w.tokens, g.queries - token);
    return {token, tokens, tokens * g.group, g.causal ? token + tokens : g.queries};
  }
  PROSODIA_INLINE int64_t keys_of(const AttentionArgs& g, const Block& b, int64_t row) {
    return g.prefix + (g.causal ? b.token + row / g.group + 1 : g.queries);
  }
};

// w.scores = q . k for a block; operands chosen by the caller so that backward can use it for dout . v.
static void scores_of_block(const AttentionArgs& g, const Workspace& w, const Block& b, const float* a,
                            const float* prefix_panels, const float* panels, float* scores) {
  const int64_t padded = padded16(g.dim);
  if (g.prefix > 0)
    multiply(a, padded, false, panels_of(prefix_panels, g.dim), scores, w.score_stride, b.rows, g.dim, g.prefix, false);
  multiply(a, padded, false, panels_of(panels, g.dim), scores + g.prefix, w.score_stride, b.rows, g.dim, b.own, false);
}

// w.acc = weights . (prefix rows, own rows).
static void combine_block(const AttentionArgs& g, const Workspace& w, const Block& b, const float* weights,
                          const float* prefix_rows, const float* rows) {
  const int64_t padded = padded16(g.dim);
  if (g.prefix > 0)
    multiply(weights, w.score_stride, false, rows_of(prefix_rows, g.dim), w.acc, padded, b.rows, g.prefix, g.dim,
             false);
  multiply(weights + g.prefix, w.score_stride, false, rows_of(rows, g.dim), w.acc, padded, b.rows, b.own, g.dim,
           g.prefix > 0);
}

static void attention(const AttentionArgs& g) {
  const Workspace w = cut_workspace(g.workspace, g.queries, g.prefix, g.group, g.dim, false);
  pack_operands(g, w);
  float sums[kBlockRows > 256 ? kBlockRows : 256];
  for (int64_t token = 0; token < g.queries; token += w.tokens) {
    const Block b = Block::at(g, w, token);
    gather_heads(g.q, g.q_stride, token, b.tokens, g.group, g.dim, w.q);
    scores_of_block(g, w, b, w.q, w.prefix_key_panels, w.key_panels, w.scores);
    for (int64_t r = 0; r < b.rows; ++r)
      sums[r] = softmax_numerators(w.scores + r * w.score_stride, Block::keys_of(g, b, r), g.prefix + b.own, g.scale);
    combine_block(g, w, b, w.scores, w.prefix_value_rows, w.value_rows);
    for (int64_t r = 0; r < b.rows; ++r)
      write_normalised(w.acc + r * padded16(g.dim), sums[r], g.dim,
                       g.out + (token + r / g.group) * g.out_stride + r % g.group * g.dim);
  }
}

// p: numerators -> probabilities; dp -> scale p (dp - sum p dp), the gradient of q . k. Lanes beyond n are zero in p.
static void softmax_backward_row(float* p, float* dp, int64_t n, int64_t end, float sum, float scale) {
  const F16 inverse = set1(1.0f / sum);
  for (int64_t i = n; i < padded16(end); ++i) dp[i] = 0.0f;
  F16 dot = zero();
  for (int64_t i = 0; i < n; i += 16) {
    const F16 probability = mul(load(p + i), inverse);
    store(p + i, probability);
    dot = fma(probability, load(dp + i), dot);
  }
  const F16 mean = set1(sum_lanes(dot)), factor = set1(scale);
  for (int64_t i = 0; i < n; i += 16) store(dp + i, mul(mul(load(p + i), factor), sub(load(dp + i), mean)));
}

// grad[key rows] += weights^T . rows, for the prefix keys and the own keys.
static void scatter_block(const AttentionArgs& g, const Workspace& w, const Block& b, const float* weights,
                          const float* rows, float* prefix_grad, float* grad, int64_t grad_stride) {
  const Operand operand = rows_of(rows, g.dim);
  if (g.prefix > 0)
    multiply(weights, w.score_stride, true, operand, prefix_grad, grad_stride, g.prefix, b.rows, g.dim, true);
  multiply(weights + g.prefix, w.score_stride, true, operand, grad, grad_stride, b.own, b.rows, g.dim, true);
}

static void attention_backward(const AttentionArgs& g) {
  const Workspace w = cut_workspace(g.workspace, g.queries, g.prefix, g.group, g.dim, true);
  pack_operands(g, w);
  for (int64_t token = 0; token < g.queries; token += w.tokens) {
    const Block b = Block::at(g, w, token);
    gather_heads(g.q, g.q_stride, token, b.tokens, g.group, g.dim, w.q);
    gather_heads(g.dout, g.dout_stride, token, b.tokens, g.group, g.dim, w.dout);
    scores_of_block(g, w, b, w.q, w.prefix_key_panels, w.key_panels, w.scores);
    scores_of_block(g, w, b, w.dout, w.prefix_value_panels, w.value_panels, w.dscores);
    for (int64_t r = 0; r < b.rows; ++r) {
      float* p = w.scores + r * w.score_stride;
      const int64_t keys = Block::keys_of(g, b, r), end = g.prefix + b.own;
      const float sum = softmax_numerators(p, keys, end, g.scale);
      softmax_backward_row(p, w.dscores + r * w.score_stride, keys, end, sum, g.scale);
    }
    combine_block(g, w, b, w.dscores, w.prefix_key_rows, w.key_rows);
    for (int64_t r = 0; r < b.rows; ++r)
      memcpy(g.dq + (token + r / g.group) * g.dq_stride + r % g.group * g.dim, w.acc + r * padded16(g.dim),
             sizeof(float) * static_cast<size_t>(g.dim));
    scatter_block(g, w, b, w.scores, w.dout, g.prefix_dv, g.dv, g.dv_stride);
    scatter_block(g, w, b, w.dscores, w.q, g.prefix_dk, g.dk, g.dk_stride);
  }
}

static int64_t decode_workspace_floats(int64_t query_rows, int64_t longest, int64_t dim) {
  return query_rows * (2 * padded16(dim) + padded16(longest) + 16);
}

// All rows of the call form one block; the caller limits their number.
static void attend_cached(const DecodeArgs& g) {
  const int64_t padded = padded16(g.dim), rows = g.rows * g.group;
  int64_t longest = 0;
  for (int64_t r = 0; r < g.rows; ++r) longest = larger(longest, g.own[r]);
  const int64_t stride = padded16(g.prefix + longest) + 16;
  float* q = g.workspace;
  float* acc = q + rows * padded;
  float* scores = acc + rows * padded;
  gather_heads(g.q, g.q_stride, 0, g.rows, g.group, g.dim, q);
  if (g.prefix > 0)
    multiply(q, padded, false, panels_of(g.prefix_keys, g.dim), scores, stride, rows, g.dim, g.prefix, false);
  float sums[kBlockRows > 256 ? kBlockRows : 256];
  for (int64_t r = 0; r < g.rows; ++r) {
    float* row_scores = scores + r * g.group * stride;
    multiply(q + r * g.group * padded, padded, false, panels_of(g.own_keys[r], g.dim), row_scores + g.prefix, stride,
             g.group, g.dim, g.own[r], false);
    const int64_t keys = g.prefix + g.own[r];
    for (int64_t h = 0; h < g.group; ++h)
      sums[r * g.group + h] = softmax_numerators(row_scores + h * stride, keys, keys, g.scale);
  }
  if (g.prefix > 0)
    multiply(scores, stride, false, rows_of(g.prefix_values, g.dim), acc, padded, rows, g.prefix, g.dim, false);
  for (int64_t r = 0; r < g.rows; ++r) {
    multiply(scores + r * g.group * stride + g.prefix, stride, false, rows_of(g.own_values[r], g.dim),
             acc + r * g.group * padded, padded, g.group, g.own[r], g.dim, g.prefix > 0);
    for (int64_t h = 0; h < g.group; ++h)
      write_normalised(acc + (r * g.group + h) * padded, sums[r * g.group + h], g.dim,
                       g.out + r * g.out_stride + h * g.dim);
  }
}

}  // namespace prosodia::ops::PROSODIA_ISA
