// F16: sixteen float lanes, the one vector type the kernels are written in. Compiled twice: one zmm register with
// AVX-512, two ymm registers with AVX2. Every operation is the same IEEE operation per lane in both builds and every
// multiply-add is an explicit fma (the files are built with -ffp-contract=off), so both builds give the same bits.
//
// Included only by isa/table.cc. Everything is `static` in an ISA-specific namespace and nothing of the standard
// library beyond C types is used: an inline function shared with other files could be emitted with AVX-512 instructions
// and then picked by the linker for a machine that has none.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "workers/model/ops/isa/table.h"

#define PROSODIA_INLINE static inline __attribute__((always_inline))

namespace prosodia::ops::PROSODIA_ISA {

#ifdef __AVX512F__

struct F16 {
  __m512 v;
};
PROSODIA_INLINE F16 set1(float x) { return {_mm512_set1_ps(x)}; }
PROSODIA_INLINE F16 zero() { return {_mm512_setzero_ps()}; }
PROSODIA_INLINE F16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
PROSODIA_INLINE void store(float* p, F16 a) { _mm512_storeu_ps(p, a.v); }
PROSODIA_INLINE __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }
// The first n lanes (0 < n < 16); the others are zero.
PROSODIA_INLINE F16 load_part(const float* p, int64_t n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
PROSODIA_INLINE void store_part(float* p, F16 a, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
PROSODIA_INLINE F16 add(F16 a, F16 b) { return {_mm512_add_ps(a.v, b.v)}; }
PROSODIA_INLINE F16 sub(F16 a, F16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
PROSODIA_INLINE F16 mul(F16 a, F16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
PROSODIA_INLINE F16 div(F16 a, F16 b) { return {_mm512_div_ps(a.v, b.v)}; }
PROSODIA_INLINE F16 fma(F16 a, F16 b, F16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }    // a b + c
PROSODIA_INLINE F16 fnma(F16 a, F16 b, F16 c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }  // c - a b
PROSODIA_INLINE F16 max(F16 a, F16 b) { return {_mm512_max_ps(a.v, b.v)}; }
PROSODIA_INLINE F16 min(F16 a, F16 b) { return {_mm512_min_ps(a.v, b.v)}; }
PROSODIA_INLINE F16 round_even(F16 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT)}; }
PROSODIA_INLINE F16 abs(F16 a) { return {_mm512_abs_ps(a.v)}; }
PROSODIA_INLINE F16 copy_sign(F16 magnitude, F16 sign) {  // magnitude >= 0
  const __m512i bit = _mm512_and_si512(_mm512_castps_si512(sign.v), _mm512_set1_epi32(INT32_MIN));
  return {_mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(magnitude.v), bit))};
}
// a < b ? x : y per lane; false for NaN.
PROSODIA_INLINE F16 select_less(F16 a, F16 b, F16 x, F16 y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), y.v, x.v)};
}
// x * 2^n for integral n in [-126, 127] and a normal result, by adding to the exponent bits.
PROSODIA_INLINE F16 scale_exponent(F16 x, F16 n) {
  const __m512i shift = _mm512_slli_epi32(_mm512_cvtps_epi32(n.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x.v), shift))};
}
// bfloat16 is the upper half of a float: reading widens exactly; round_bf16 rounds to nearest even, keeps NaN, and
// leaves the value in float lanes; store_bf16 takes such a value.
PROSODIA_INLINE F16 load(const Bf16* p) {
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}
PROSODIA_INLINE F16 round_bf16(F16 a) {
  const __m512i bits = _mm512_castps_si512(a.v);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i rounded = _mm512_and_si512(sum, _mm512_set1_epi32(static_cast<int>(0xffff0000u)));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  return {_mm512_castsi512_ps(_mm512_mask_mov_epi32(rounded, is_nan, _mm512_set1_epi32(0x7fc00000)))};
}
PROSODIA_INLINE void store_bf16(Bf16* p, F16 a) {
  const __m256i half = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(a.v), 16));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), half);
}
PROSODIA_INLINE __m256 low_half(F16 a) { return _mm512_castps512_ps256(a.v); }
PROSODIA_INLINE __m256 high_half(F16 a) { return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a.v), 1)); }

#else

struct F16 {
  __m256 lo, hi;
};
PROSODIA_INLINE F16 set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
PROSODIA_INLINE F16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
PROSODIA_INLINE F16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
PROSODIA_INLINE void store(float* p, F16 a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
PROSODIA_INLINE __m256i first_lanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
PROSODIA_INLINE F16 load_part(const float* p, int64_t n) {
  return {_mm256_maskload_ps(p, first_lanes(n)), _mm256_maskload_ps(p + 8, first_lanes(n - 8))};
}
PROSODIA_INLINE void store_part(float* p, F16 a, int64_t n) {
  _mm256_maskstore_ps(p, first_lanes(n), a.lo);
  _mm256_maskstore_ps(p + 8, first_lanes(n - 8), a.hi);
}
PROSODIA_INLINE F16 add(F16 a, F16 b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
PROSODIA_INLINE F16 sub(F16 a, F16 b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
PROSODIA_INLINE F16 mul(F16 a, F16 b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
PROSODIA_INLINE F16 div(F16 a, F16 b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
PROSODIA_INLINE F16 fma(F16 a, F16 b, F16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
PROSODIA_INLINE F16 fnma(F16 a, F16 b, F16 c) {
  return {_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
PROSODIA_INLINE F16 max(F16 a, F16 b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
PROSODIA_INLINE F16 min(F16 a, F16 b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
PROSODIA_INLINE F16 round_even(F16 a) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, kMode), _mm256_round_ps(a.hi, kMode)};
}
PROSODIA_INLINE F16 abs(F16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
PROSODIA_INLINE F16 copy_sign(F16 magnitude, F16 sign) {  // magnitude >= 0
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(magnitude.lo, _mm256_and_ps(bit, sign.lo)),
          _mm256_or_ps(magnitude.hi, _mm256_and_ps(bit, sign.hi))};
}
PROSODIA_INLINE F16 select_less(F16 a, F16 b, F16 x, F16 y) {
  return {_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
PROSODIA_INLINE __m256 scale_exponent(__m256 x, __m256 n) {
  const __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), shift));
}
PROSODIA_INLINE F16 scale_exponent(F16 x, F16 n) { return {scale_exponent(x.lo, n.lo), scale_exponent(x.hi, n.hi)}; }
PROSODIA_INLINE __m256 widen_bf16(const Bf16* p) {
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
PROSODIA_INLINE F16 load(const Bf16* p) { return {widen_bf16(p), widen_bf16(p + 8)}; }
PROSODIA_INLINE __m256 round_bf16(__m256 a) {
  const __m256i bits = _mm256_castps_si256(a);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i rounded = _mm256_and_si256(sum, _mm256_set1_epi32(static_cast<int>(0xffff0000u)));
  const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
  return _mm256_blendv_ps(_mm256_castsi256_ps(rounded), nan, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
PROSODIA_INLINE F16 round_bf16(F16 a) { return {round_bf16(a.lo), round_bf16(a.hi)}; }
PROSODIA_INLINE void store_bf16(Bf16* p, F16 a) {
  const __m256i lo = _mm256_srli_epi32(_mm256_castps_si256(a.lo), 16);
  const __m256i hi = _mm256_srli_epi32(_mm256_castps_si256(a.hi), 16);
  const __m256i mixed = _mm256_packus_epi32(lo, hi);  // 128-bit halves interleaved
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
}
PROSODIA_INLINE __m256 low_half(F16 a) { return a.lo; }
PROSODIA_INLINE __m256 high_half(F16 a) { return a.hi; }

#endif

// The fixed tree: lanes i and i+8, then i and i+4, i and i+2, i and i+1.
PROSODIA_INLINE float sum_lanes(F16 a) {
  const __m256 eight = _mm256_add_ps(low_half(a), high_half(a));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
PROSODIA_INLINE float max_lanes(F16 a) {
  const __m256 eight = _mm256_max_ps(low_half(a), high_half(a));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

// Calls body(offset, lanes) for every group of 16 elements; lanes < 16 only for the last one.
#define PROSODIA_FOR_LANES(i, n) for (int64_t i = 0, lanes_left = (n); lanes_left > 0; i += 16, lanes_left -= 16)
PROSODIA_INLINE F16 load_lanes(const float* p, int64_t lanes_left) {
  return lanes_left >= 16 ? load(p) : load_part(p, lanes_left);
}
PROSODIA_INLINE F16 load_lanes(const Bf16* p, int64_t lanes_left) {
  if (lanes_left >= 16) return load(p);
  alignas(32) Bf16 lanes[16] = {};
  memcpy(lanes, p, sizeof(Bf16) * static_cast<size_t>(lanes_left));
  return load(lanes);
}
PROSODIA_INLINE void store_lanes(float* p, F16 a, int64_t lanes_left) {
  if (lanes_left >= 16)
    store(p, a);
  else
    store_part(p, a, lanes_left);
}

// e^x. Cody-Waite reduction and a degree-5 polynomial in r (Cephes expf), error below 2 ulp. x < -87.33 gives 0, x
// > 88.37 gives e^88.37, NaN stays NaN (min returns its second operand then).
PROSODIA_INLINE F16 exp16(F16 x) {
  const F16 bounded = max(set1(-87.33f), min(set1(88.37f), x));
  const F16 n = round_even(mul(bounded, set1(1.44269504088896341f)));
  F16 r = fnma(n, set1(0.693359375f), bounded);
  r = fnma(n, set1(-2.12194440e-4f), r);
  F16 p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  const F16 value = add(fma(p, mul(r, r), r), set1(1.0f));
  return select_less(x, set1(-87.33f), zero(), scale_exponent(value, n));
}

// erf x, two polynomial branches (N. Juffa's erff), both evaluated and selected per lane; error below 2 ulp.
PROSODIA_INLINE F16 erf16(F16 x) {
  const F16 t = abs(x), s = mul(x, x);
  F16 small = set1(-5.96761703e-4f);
  small = fma(small, s, set1(4.99119423e-3f));
  small = fma(small, s, set1(-2.67681349e-2f));
  small = fma(small, s, set1(1.12819925e-1f));
  small = fma(small, s, set1(-3.76125336e-1f));
  small = fma(small, s, set1(1.28379166e-1f));
  small = fma(small, x, x);
  const F16 u = min(set1(4.0f), t);  // erf is 1 in float beyond 3.92; keeps t^n finite
  const F16 us = mul(u, u);
  F16 large = fma(set1(-1.72853470e-5f), u, set1(3.83197126e-4f));
  const F16 odd = fma(set1(-3.88396438e-3f), u, set1(2.42546219e-2f));
  large = fma(large, us, odd);
  large = fma(large, u, set1(-1.06777877e-1f));
  large = fma(large, u, set1(-6.34846687e-1f));
  large = fma(large, u, set1(-1.28717512e-1f));
  large = fma(large, u, sub(zero(), u));
  large = copy_sign(sub(set1(1.0f), exp16(large)), x);
  return select_less(set1(0.927734375f), t, large, small);
}

}  // namespace prosodia::ops::PROSODIA_ISA
