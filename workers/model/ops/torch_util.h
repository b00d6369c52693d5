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

// Whether the row-invariant CPU kernels apply.
inline bool is_fp32_cpu(const at::Tensor& x) { return x.device().is_cpu() && x.scalar_type() == at::kFloat; }

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

// C[rows, cols] (+)= A B with B packed here in pieces of bounded size (thread-local scratch).
enum class BForm { kInnerByCols, kColsByInner };
void packed_gemm(GemmArgs args, const float* b, int64_t ldb, BForm form);

}  // namespace prosodia::ops
