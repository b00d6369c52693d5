// A linear layer with its adapter, on tensors: y = x W^T + b + B(scaling A x). Formula and roundings are those of the
// decode path (workers/rollout/packed_adapter.h), so that sampling and learning give the same bits on CPU fp32.
// Threads and failures: as ops::linear.
#pragma once

#include <optional>

#include "workers/model/model_parts.h"

namespace prosodia {

// Without an adapter this is ops::linear. The adapter's part runs in float32 and is added before the cast to x's dtype.
at::Tensor linear_with_adapter(const at::Tensor& x_TK, const at::Tensor& w_NK, const std::optional<at::Tensor>& b_N,
                               const LoraPair& lora);
inline at::Tensor linear_with_adapter(const at::Tensor& x_TK, const at::Tensor& w_NK, const LoraPair& lora) {
  return linear_with_adapter(x_TK, w_NK, std::nullopt, lora);
}

// W + scaling B A in W's dtype, computed in float32 on the CPU. A new tensor.
at::Tensor merged_weight(const at::Tensor& w_NK, const LoraPair& lora);

}  // namespace prosodia
