// Implements GemmArgs (table.h): the blocked matrix product behind every linear layer and both attention products.
//
// Loop order: blocks of kInnerBlock over k (the chain goes on in C between blocks: a float store and load is exact),
// blocks of kRowBlock rows copied to a compact A block (L2), column groups of B, register tiles. Tiles differ in size
// with the number of rows, but each element is the same chain in all of them.
#pragma once

#include "workers/model/ops/isa/simd.h"
#include "workers/model/ops/isa/table.h"

namespace prosodia::ops::PROSODIA_ISA {

#ifdef __AVX512F__
constexpr int kMaxTileRows = 12;  // 12 x 2 groups: 24 accumulators of 32 registers
constexpr int tile_groups(int rows) { return rows == 1 ? 8 : rows <= 6 ? 4 : 2; }
#else
constexpr int kMaxTileRows = 6;  // 6 x 1 group (two ymm): 12 accumulators of 16 registers
constexpr int tile_groups(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }
#endif
constexpr int kInnerBlock = 256;
constexpr int kRowBlock = 96;
// Not a power of two: the rows of a tile must not fall into the same L1 set.
constexpr int kAStride = kInnerBlock + 16;

template <class Element>
struct Tile {
  const float* a;  // [tile rows][kAStride]
  const Element* b;
  int64_t b_group_stride, b_row_stride, inner;
  float* c;
  int64_t c_stride;
  bool load_c;
  const float* bias;   // null: none
  int64_t last_lanes;  // lanes of the last group (1..16)
};

template <int kRows, int kGroups, class Element>
static void compute_tile(const Tile<Element>& t) {
  F16 acc[kRows][kGroups];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) {
      acc[r][g] = zero();
      if (t.load_c) acc[r][g] = load_lanes(t.c + r * t.c_stride + 16 * g, g + 1 < kGroups ? 16 : t.last_lanes);
    }
  const float* a = t.a;
  const Element* b = t.b;
  const int64_t group_stride = t.b_group_stride, row_stride = t.b_row_stride;
#pragma GCC unroll 4
  for (int64_t k = 0; k < t.inner; ++k) {
    F16 columns[kGroups];
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) columns[g] = load(b + g * group_stride);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const F16 value = set1(a[r * kAStride]);
#pragma GCC unroll 8
      for (int g = 0; g < kGroups; ++g) acc[r][g] = fma(value, columns[g], acc[r][g]);
    }
    ++a;
    b += row_stride;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) {
      const F16 result = t.bias ? add(acc[r][g], load(t.bias + 16 * g)) : acc[r][g];
      store_lanes(t.c + r * t.c_stride + 16 * g, result, g + 1 < kGroups ? 16 : t.last_lanes);
    }
}

// All column groups [0, groups) for one tile's rows: the widest tile first, then narrower ones.
template <int kRows, int kGroups, class Element>
PROSODIA_INLINE void sweep_width(Tile<Element>& t, int64_t& groups, int64_t cols_in_last) {
  for (; groups >= kGroups; groups -= kGroups) {
    t.last_lanes = groups == kGroups ? cols_in_last : 16;
    compute_tile<kRows, kGroups, Element>(t);
    t.b += kGroups * t.b_group_stride;
    t.c += 16 * kGroups;
    if (t.bias) t.bias += 16 * kGroups;
  }
  if constexpr (kGroups > 1) sweep_width<kRows, kGroups / 2, Element>(t, groups, cols_in_last);
}

template <int kRows, class Element>
static void sweep_columns(Tile<Element> t, int64_t groups, int64_t cols_in_last) {
  sweep_width<kRows, tile_groups(kRows), Element>(t, groups, cols_in_last);
}

template <class Element>
using SweepFunction = void (*)(Tile<Element>, int64_t, int64_t);
template <class Element>
static SweepFunction<Element> sweep_of(int64_t rows) {
  using E = Element;
#ifdef __AVX512F__
  static constexpr SweepFunction<E> kSweeps[] = {sweep_columns<1, E>,  sweep_columns<2, E>,  sweep_columns<3, E>,
                                                 sweep_columns<4, E>,  sweep_columns<5, E>,  sweep_columns<6, E>,
                                                 sweep_columns<7, E>,  sweep_columns<8, E>,  sweep_columns<9, E>,
                                                 sweep_columns<10, E>, sweep_columns<11, E>, sweep_columns<12, E>};
#else
  static constexpr SweepFunction<E> kSweeps[] = {sweep_columns<1, E>, sweep_columns<2, E>, sweep_columns<3, E>,
                                                 sweep_columns<4, E>, sweep_columns<5, E>, sweep_columns<6, E>};
#endif
  return kSweeps[rows - 1];
}

// Transposes 8x8 floats: out[j * out_stride + i] = in[i * in_stride + j].
PROSODIA_INLINE void transpose8(const float* in, int64_t in_stride, float* out, int64_t out_stride) {
  __m256 r[8], t[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(in + i * in_stride);
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xEE);
    r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * out_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

// out[j * out_stride + i] = in[i * in_stride + j] for i < rows, j < cols.
static void transpose(const float* in, int64_t in_stride, int64_t rows, int64_t cols, float* out, int64_t out_stride) {
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8) {
    int64_t j = 0;
    for (; j + 8 <= cols; j += 8) transpose8(in + i * in_stride + j, in_stride, out + j * out_stride + i, out_stride);
    for (; j < cols; ++j)
      for (int64_t ii = i; ii < i + 8; ++ii) out[j * out_stride + ii] = in[ii * in_stride + j];
  }
  for (; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) out[j * out_stride + i] = in[i * in_stride + j];
}

static void pack_transposed(const float* b, int64_t stride, int64_t rows, int64_t inner, float* out) {
  for (int64_t row = 0; row < rows; row += 16, out += inner * 16) {
    const int64_t lanes = rows - row < 16 ? rows - row : 16;
    if (lanes < 16) memset(out, 0, sizeof(float) * static_cast<size_t>(inner * 16));
    transpose(b + row * stride, stride, lanes, inner, out, 16);
  }
}

static void pack_rows(const float* b, int64_t stride, int64_t inner, int64_t cols, float* out) {
  for (int64_t col = 0, left = cols; left > 0; col += 16, left -= 16)
    for (int64_t k = 0; k < inner; ++k, out += 16) store(out, load_lanes(b + k * stride + col, left));
}

// The same for bfloat16: 16 rows at a time through a widened block, whose transpose narrows without loss.
static void pack_transposed_bf16(const Bf16* b, int64_t stride, int64_t rows, int64_t inner, Bf16* out) {
  constexpr int64_t kWidth = 64;
  alignas(64) float wide[16 * kWidth], turned[kWidth * 16];
  for (int64_t row = 0; row < rows; row += 16) {
    const int64_t lanes = rows - row < 16 ? rows - row : 16;
    memset(wide, 0, sizeof(wide));
    for (int64_t k = 0; k < inner; k += kWidth) {
      const int64_t width = inner - k < kWidth ? inner - k : kWidth;
      for (int64_t r = 0; r < lanes; ++r) PROSODIA_FOR_LANES(i, width)
      store_lanes(wide + r * kWidth + i, load_lanes(b + (row + r) * stride + k + i, lanes_left), lanes_left);
      for (int64_t i = 0; i < width; i += 8) {  // columns beyond `width` are never stored
        transpose8(wide + i, kWidth, turned + i * 16, 16);
        transpose8(wide + 8 * kWidth + i, kWidth, turned + i * 16 + 8, 16);
      }
      for (int64_t i = 0; i < width; ++i, out += 16) store_bf16(out, load(turned + i * 16));
    }
  }
}

static void pack_rows_bf16(const Bf16* b, int64_t stride, int64_t inner, int64_t cols, Bf16* out) {
  for (int64_t col = 0, left = cols; left > 0; col += 16, left -= 16)
    for (int64_t k = 0; k < inner; ++k, out += 16) store_bf16(out, load_lanes(b + k * stride + col, left));
}

template <class Element>
static void copy_a_block(const GemmArgsOf<Element>& g, int64_t row, int64_t rows, int64_t k, int64_t inner,
                         float* block) {
  if (g.a_transposed) {
    transpose(g.a + k * g.a_stride + row, g.a_stride, inner, rows, block, kAStride);
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = g.a + (row + r) * g.a_stride + k;
    float* to = block + r * kAStride;
    int64_t i = 0;
    for (; i + 16 <= inner; i += 16) store(to + i, load(from + i));
    if (i < inner) store_part(to + i, load_part(from + i, inner - i), inner - i);
  }
}

// Column groups per sweep: the B block of a sweep stays in L1/L2 while the row tiles of the A block pass over it.
constexpr int64_t kSweepGroups = 8;

template <class Element>
static void multiply_block(const GemmArgsOf<Element>& g, const float* block, int64_t row, int64_t rows, int64_t k,
                           int64_t inner) {
  const int64_t tiles = (rows + kMaxTileRows - 1) / kMaxTileRows;
  const int64_t base = rows / tiles, larger = rows % tiles;  // evenly sized tiles keep the registers busy
  const bool last = k + inner == g.inner;
  for (int64_t col = 0; col < g.cols; col += 16 * kSweepGroups) {
    const int64_t cols = g.cols - col < 16 * kSweepGroups ? g.cols - col : 16 * kSweepGroups;
    const int64_t groups = (cols + 15) / 16;
    for (int64_t tile = 0, r = 0; tile < tiles; ++tile) {
      const int64_t tile_rows = base + (tile < larger ? 1 : 0);
      Tile<Element> t;
      t.a = block + r * kAStride;
      t.b = g.b + col / 16 * g.b_group_stride + k * g.b_row_stride;
      t.b_group_stride = g.b_group_stride;
      t.b_row_stride = g.b_row_stride;
      t.inner = inner;
      t.c = g.c + (row + r) * g.c_stride + col;
      t.c_stride = g.c_stride;
      t.load_c = g.accumulate || k > 0;
      t.bias = last && g.bias ? g.bias + col : nullptr;
      sweep_of<Element>(tile_rows)(t, groups, cols - (groups - 1) * 16);
      r += tile_rows;
    }
  }
}

template <class Element>
static void gemm(const GemmArgsOf<Element>& g) {
  if (g.inner == 0 && !g.accumulate)
    for (int64_t r = 0; r < g.rows; ++r)
      for (int64_t c = 0; c < g.cols; ++c) g.c[r * g.c_stride + c] = g.bias ? g.bias[c] : 0.0f;
  alignas(64) float block[kRowBlock * kAStride];
  for (int64_t k = 0; k < g.inner; k += kInnerBlock) {
    const int64_t inner = g.inner - k < kInnerBlock ? g.inner - k : kInnerBlock;
    for (int64_t row = 0; row < g.rows; row += kRowBlock) {
      const int64_t rows = g.rows - row < kRowBlock ? g.rows - row : kRowBlock;
      copy_a_block(g, row, rows, k, inner, block);
      multiply_block(g, block, row, rows, k, inner);
    }
  }
}

}  // namespace prosodia::ops::PROSODIA_ISA
