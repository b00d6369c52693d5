// Implements the vocabulary rows of table.h: statistics of a chunk of logits, probabilities, gradient, argmax.
#pragma once

#include "workers/model/ops/isa/simd.h"
#include "workers/model/ops/isa/table.h"

namespace prosodia::ops::PROSODIA_ISA {

PROSODIA_INLINE F16 load_or(const float* p, int64_t lanes_left, float fill) {
  if (lanes_left >= 16) return load(p);
  alignas(64) float lanes[16];
  for (int i = 0; i < 16; ++i) lanes[i] = fill;
  memcpy(lanes, p, sizeof(float) * static_cast<size_t>(lanes_left));
  return load(lanes);
}

static ChunkStats chunk_stats(const float* logits, int64_t count, float inverse_temperature) {
  const F16 factor = set1(inverse_temperature);
  F16 top = set1(-__builtin_inff());
  PROSODIA_FOR_LANES(i, count) top = max(top, mul(load_or(logits + i, lanes_left, -__builtin_inff()), factor));
  const float highest = max_lanes(top);
  // A chunk of -inf (masked tokens) contributes nothing; subtracting -inf would give NaN.
  if (highest == -__builtin_inff()) return {highest, 0.0f, 0.0f};
  F16 sum = zero(), weighted = zero();
  PROSODIA_FOR_LANES(i, count) {
    const F16 z = sub(mul(load_or(logits + i, lanes_left, -__builtin_inff()), factor), set1(highest));
    const F16 p = exp16(z);
    sum = add(sum, p);
    weighted = fma(p, max(z, set1(-1e4f)), weighted);  // 0 * -inf would give NaN
  }
  return {highest, sum_lanes(sum), sum_lanes(weighted)};
}

static void exp_row(const float* logits, int64_t count, float inverse_temperature, float shift, float* p) {
  const F16 factor = set1(inverse_temperature), offset = set1(shift);
  PROSODIA_FOR_LANES(i, count)
  store_lanes(p + i, exp16(sub(mul(load_lanes(logits + i, lanes_left), factor), offset)), lanes_left);
}

static void softmax_gradient(const float* logits, int64_t count, float inverse_temperature, float logsumexp,
                             float factor, float* gradient) {
  const F16 scale = set1(inverse_temperature), offset = set1(logsumexp), minus = set1(-factor);
  PROSODIA_FOR_LANES(i, count) {
    const F16 p = exp16(sub(mul(load_lanes(logits + i, lanes_left), scale), offset));
    store_lanes(gradient + i, mul(minus, p), lanes_left);
  }
}

static int64_t argmax(const float* values, int64_t count) {
  F16 top = set1(-__builtin_inff());
  PROSODIA_FOR_LANES(i, count) top = max(top, load_or(values + i, lanes_left, -__builtin_inff()));
  const float highest = max_lanes(top);
  for (int64_t i = 0; i < count; ++i)
    if (values[i] == highest) return i;
  return 0;
}

}  // namespace prosodia::ops::PROSODIA_ISA
