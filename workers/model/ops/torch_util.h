// Shared by the torch layer's files. Internal to ops.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "data/base/check.h"
#include "workers/model/ops/isa/table.h"
#include "workers/model/ops/ops.h"

namespace prosodia::ops {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Whether the row-invariant CPU kernels apply: to float32, and to bfloat16 with float32 arithmetic inside. An op takes
// its operands with as_float() and gives its result x's type again with like(), which rounds once.
inline bool on_cpu_kernels(const at::Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}
inline bool is_bf16(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16; }
inline at::Tensor as_float(const at::Tensor& x) { return x.to(at::kFloat); }  // x itself when it is float32
inline at::Tensor like(const at::Tensor& x, const at::Tensor& result) { return result.to(x.scalar_type()); }

// Calls visit(const float*) or visit(const Bf16*) with the elements of a contiguous CPU tensor.
template <class Visit>
void with_elements(const at::Tensor& x, const Visit& visit) {
  if (is_bf16(x))
    visit(reinterpret_cast<const Bf16*>(x.const_data_ptr()));
  else
    visit(x.const_data_ptr<float>());
}
inline void pack_transposed(const float* b, int64_t stride, int64_t rows, int64_t inner, float* out) {
  kernels().pack_transposed(b, stride, rows, inner, out);
}
inline void pack_transposed(const Bf16* b, int64_t stride, int64_t rows, int64_t inner, Bf16* out) {
  kernels().pack_transposed_bf16(b, stride, rows, inner, out);
}
inline void pack_rows(const float* b, int64_t stride, int64_t inner, int64_t cols, float* out) {
  kernels().pack_rows(b, stride, inner, cols, out);
}
inline void pack_rows(const Bf16* b, int64_t stride, int64_t inner, int64_t cols, Bf16* out) {
  kernels().pack_rows_bf16(b, stride, inner, cols, out);
}
// Room for `elements` in a scratch buffer.
template <class Element>
Element* reserve_elements(AlignedBuffer& buffer, int64_t elements) {
  return reinterpret_cast<Element*>(
      buffer.reserve((static_cast<size_t>(elements) * sizeof(Element) + sizeof(float) - 1) / sizeof(float)));
}

// Whether a call must be recorded; if not, the Function node is skipped (it costs microseconds per call).
template <class... Tensors>
bool needs_grad(const Tensors&... tensors) {
  return at::GradMode::is_enabled() && (tensors.requires_grad() || ...);
}

// [..., C] -> [R, C] with contiguous rows (a copy only when the layout demands it).
inline at::Tensor as_rows(const at::Tensor& x) {
  at::Tensor rows = x.dim() == 2 ? x : x.reshape({-1, x.size(-1)});
  return rows.stride(1) == 1 || rows.size(1) == 1 ? rows : rows.contiguous();
}
// [T, H, D] with contiguous heads; the token stride is free.
inline at::Tensor as_heads(const at::Tensor& x) {
  const bool usable = x.stride(2) == 1 && (x.size(1) == 1 || x.stride(1) == x.size(2));
  return usable ? x : x.contiguous();
}
inline int64_t row_stride(const at::Tensor& rows) { return rows.size(0) > 1 ? rows.stride(0) : rows.size(1); }

// Calls body(begin, end) over parts of [0, count); one part unless ATen has several threads and the work is worth it.
template <class Body>
void for_row_parts(int64_t count, int64_t work_per_row, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, 200'000 / std::max<int64_t>(1, work_per_row));
  if (at::get_num_threads() <= 1 || count <= grain)
    body(int64_t{0}, count);
  else
    at::parallel_for(0, count, grain, body);
}

// gemm() split over rows, or over column groups when there are few rows. Same bits as one call.
void parallel_gemm(const GemmArgs& args);
void parallel_gemm(const GemmArgsBf16& args);

}  // namespace prosodia::ops
