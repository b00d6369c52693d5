// Implements the per-row operators of table.h: norms, rope, activations, and their gradients.
#pragma once

#include "workers/model/ops/isa/simd.h"
#include "workers/model/ops/isa/table.h"

namespace prosodia::ops::PROSODIA_ISA {

// Sum over a row of term(i, lanes_left), where the lanes beyond the end must be zero. Four independent accumulators
// hide the latency; element i goes to accumulator (i/16) mod 4, lane i mod 16, whatever the row length.
template <class Term>
PROSODIA_INLINE float sum_row(int64_t channels, Term term) {
  F16 acc[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 64 <= channels; i += 64)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) acc[j] = add(acc[j], term(i + 16 * j, int64_t{16}));
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j)
    if (i + 16 * j < channels) acc[j] = add(acc[j], term(i + 16 * j, channels - i - 16 * j));
  return sum_lanes(add(add(acc[0], acc[2]), add(acc[1], acc[3])));
}

PROSODIA_INLINE float inverse_root(float x) { return 1.0f / __builtin_sqrtf(x); }

PROSODIA_INLINE float rms_scale(const float* x, int64_t channels, float eps) {
  const float squares = sum_row(
      channels, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        const F16 value = load_lanes(x + i, n);
        return mul(value, value);
      });
  return inverse_root(squares / static_cast<float>(channels) + eps);
}

// What happens to a value that a model of a narrower type would store.
struct Exact {
  PROSODIA_INLINE F16 of(F16 x) { return x; }
};
struct RoundBf16 {
  PROSODIA_INLINE F16 of(F16 x) { return round_bf16(x); }
};

template <class Rounding>
static void rms_norm(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* w, float eps,
                     float* y, int64_t y_stride) {
  for (int64_t r = 0; r < rows; ++r, x += x_stride, y += y_stride) {
    const F16 scale = set1(rms_scale(x, channels, eps));
    PROSODIA_FOR_LANES(i, channels) {
      const F16 normal = Rounding::of(mul(load_lanes(x + i, lanes_left), scale));
      store_lanes(y + i, Rounding::of(mul(normal, load_lanes(w + i, lanes_left))), lanes_left);
    }
  }
}

// With n = x s: dn = dy w; dx = s (dn - n mean(dn n)); dw += dy n.
static void rms_norm_backward(const float* x, const float* dy, int64_t rows, int64_t channels, const float* w,
                              float eps, float* dx, float* dw) {
  for (int64_t r = 0; r < rows; ++r, x += channels, dy += channels, dx += channels) {
    const F16 scale = set1(rms_scale(x, channels, eps));
    const float dot = sum_row(
        channels, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
          return mul(mul(load_lanes(dy + i, n), load_lanes(w + i, n)), mul(load_lanes(x + i, n), scale));
        });
    const F16 mean = set1(dot / static_cast<float>(channels));
    PROSODIA_FOR_LANES(i, channels) {
      const F16 normal = mul(load_lanes(x + i, lanes_left), scale), grad = load_lanes(dy + i, lanes_left);
      store_lanes(dw + i, fma(grad, normal, load_lanes(dw + i, lanes_left)), lanes_left);
      const F16 inner = fnma(normal, mean, mul(grad, load_lanes(w + i, lanes_left)));
      store_lanes(dx + i, mul(scale, inner), lanes_left);
    }
  }
}

struct Moments {
  float mean, scale;
};
PROSODIA_INLINE F16 zero_beyond(F16 x, int64_t n) {
  if (n >= 16) return x;
  alignas(64) float lanes[16];
  store(lanes, x);
  return load_part(lanes, n);
}
PROSODIA_INLINE Moments moments(const float* x, int64_t channels, float eps) {
  const auto sum = sum_row(
      channels, [&](int64_t i, int64_t n) __attribute__((always_inline)) { return load_lanes(x + i, n); });
  const float mean = sum / static_cast<float>(channels);
  const float squares = sum_row(
      channels, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
        const F16 centred = zero_beyond(sub(load_lanes(x + i, n), set1(mean)), n);
        return mul(centred, centred);
      });
  return {mean, inverse_root(squares / static_cast<float>(channels) + eps)};
}

static void layer_norm(const float* x, int64_t x_stride, int64_t rows, int64_t channels, const float* w, const float* b,
                       float eps, float* y, int64_t y_stride) {
  for (int64_t r = 0; r < rows; ++r, x += x_stride, y += y_stride) {
    const Moments m = moments(x, channels, eps);
    const F16 mean = set1(m.mean), scale = set1(m.scale);
    PROSODIA_FOR_LANES(i, channels) {
      const F16 normal = mul(sub(load_lanes(x + i, lanes_left), mean), scale);
      store_lanes(y + i, fma(normal, load_lanes(w + i, lanes_left), load_lanes(b + i, lanes_left)), lanes_left);
    }
  }
}

// With n = (x - mean) s: dn = dy w; dx = s (dn - mean(dn) - n mean(dn n)); dw += dy n; db += dy.
static void layer_norm_backward(const float* x, const float* dy, int64_t rows, int64_t channels, const float* w,
                                float eps, float* dx, float* dw, float* db) {
  const float inverse = 1.0f / static_cast<float>(channels);
  for (int64_t r = 0; r < rows; ++r, x += channels, dy += channels, dx += channels) {
    const Moments m = moments(x, channels, eps);
    const F16 mean = set1(m.mean), scale = set1(m.scale);
    const float sum = sum_row(
        channels, [&](int64_t i, int64_t n)
                      __attribute__((always_inline)) { return mul(load_lanes(dy + i, n), load_lanes(w + i, n)); });
    const float dot = sum_row(
        channels, [&](int64_t i, int64_t n) __attribute__((always_inline)) {
          return mul(mul(load_lanes(dy + i, n), load_lanes(w + i, n)), mul(sub(load_lanes(x + i, n), mean), scale));
        });
    const F16 mean_grad = set1(sum * inverse), mean_dot = set1(dot * inverse);
    PROSODIA_FOR_LANES(i, channels) {
      const F16 normal = mul(sub(load_lanes(x + i, lanes_left), mean), scale), grad = load_lanes(dy + i, lanes_left);
      store_lanes(dw + i, fma(grad, normal, load_lanes(dw + i, lanes_left)), lanes_left);
      store_lanes(db + i, add(grad, load_lanes(db + i, lanes_left)), lanes_left);
      const F16 inner = sub(mul(grad, load_lanes(w + i, lanes_left)), mean_grad);
      store_lanes(dx + i, mul(scale, fnma(normal, mean_dot, inner)), lanes_left);
    }
  }
}

static void rope(const float* x, int64_t x_stride, int64_t rows, int64_t heads, int64_t dim, const int64_t* positions,
                 const float* cos, const float* sin, float sin_sign, float* y, int64_t y_stride) {
  const int64_t half = dim / 2;
  const F16 sign = set1(sin_sign);
  for (int64_t r = 0; r < rows; ++r) {
    const float* row_cos = cos + positions[r] * half;
    const float* row_sin = sin + positions[r] * half;
    for (int64_t h = 0; h < heads; ++h) {
      const float* in = x + r * x_stride + h * dim;
      float* out = y + r * y_stride + h * dim;
      PROSODIA_FOR_LANES(i, half) {
        const F16 c = load_lanes(row_cos + i, lanes_left), s = mul(sign, load_lanes(row_sin + i, lanes_left));
        const F16 x1 = load_lanes(in + i, lanes_left), x2 = load_lanes(in + half + i, lanes_left);
        store_lanes(out + i, fnma(x2, s, mul(x1, c)), lanes_left);
        store_lanes(out + half + i, fma(x1, s, mul(x2, c)), lanes_left);
      }
    }
  }
}

PROSODIA_INLINE F16 sigmoid(F16 x) { return div(set1(1.0f), add(set1(1.0f), exp16(sub(zero(), x)))); }

template <class Rounding>
static void silu_mul(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int64_t rows,
                     int64_t channels, float* y, int64_t y_stride) {
  for (int64_t r = 0; r < rows; ++r, gate += gate_stride, up += up_stride, y += y_stride)
    PROSODIA_FOR_LANES(i, channels) {
      const F16 g = load_lanes(gate + i, lanes_left);
      const F16 activated = Rounding::of(mul(g, sigmoid(g)));
      store_lanes(y + i, Rounding::of(mul(activated, load_lanes(up + i, lanes_left))), lanes_left);
    }
}

// silu' = s (1 + g (1 - s)).
static void silu_mul_backward(const float* gate, const float* up, const float* dy, int64_t count, float* dgate,
                              float* dup) {
  PROSODIA_FOR_LANES(i, count) {
    const F16 g = load_lanes(gate + i, lanes_left), grad = load_lanes(dy + i, lanes_left);
    const F16 s = sigmoid(g);
    const F16 slope = mul(s, fma(g, sub(set1(1.0f), s), set1(1.0f)));
    store_lanes(dup + i, mul(grad, mul(g, s)), lanes_left);
    store_lanes(dgate + i, mul(mul(grad, load_lanes(up + i, lanes_left)), slope), lanes_left);
  }
}

PROSODIA_INLINE F16 normal_cdf(F16 x) {
  return mul(set1(0.5f), add(set1(1.0f), erf16(mul(x, set1(0.70710678118654752f)))));
}

static void gelu(const float* x, int64_t count, float* y) {
  PROSODIA_FOR_LANES(i, count) {
    const F16 value = load_lanes(x + i, lanes_left);
    store_lanes(y + i, mul(value, normal_cdf(value)), lanes_left);
  }
}

// gelu' = cdf(x) + x pdf(x).
static void gelu_backward(const float* x, const float* dy, int64_t count, float* dx) {
  PROSODIA_FOR_LANES(i, count) {
    const F16 value = load_lanes(x + i, lanes_left);
    const F16 pdf = mul(set1(0.39894228040143268f), exp16(mul(mul(value, value), set1(-0.5f))));
    store_lanes(dx + i, mul(load_lanes(dy + i, lanes_left), fma(value, pdf, normal_cdf(value))), lanes_left);
  }
}

static void round_row_bf16(const float* x, int64_t count, float* y) {
  PROSODIA_FOR_LANES(i, count) store_lanes(y + i, round_bf16(load_lanes(x + i, lanes_left)), lanes_left);
}

static void widen_row_bf16(const Bf16* x, int64_t count, float* y) {
  PROSODIA_FOR_LANES(i, count) store_lanes(y + i, load_lanes(x + i, lanes_left), lanes_left);
}

static void add_vectors(const float* a, const float* b, int64_t count, float* y) {
  PROSODIA_FOR_LANES(i, count)
  store_lanes(y + i, add(load_lanes(a + i, lanes_left), load_lanes(b + i, lanes_left)), lanes_left);
}

static void column_sums(const float* x, int64_t rows, int64_t channels, float* sums) {
  for (int64_t r = 0; r < rows; ++r, x += channels) add_vectors(sums, x, channels, sums);
}

}  // namespace prosodia::ops::PROSODIA_ISA
