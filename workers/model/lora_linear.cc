#include "workers/model/lora_linear.h"

#include <ATen/ATen.h>

#include "workers/model/ops/ops.h"

namespace prosodia {

at::Tensor linear_with_adapter(const at::Tensor& x_TK, const at::Tensor& w_NK, const std::optional<at::Tensor>& b_N,
                               const LoraPair& lora) {
  const at::Tensor base = ops::linear(x_TK, w_NK, b_N);
  if (!lora.defined()) return base;
  const at::Tensor rank = ops::linear(x_TK.to(at::kFloat), lora.a_RK) * lora.scaling;
  const at::Tensor update = ops::linear(rank, lora.b_NR);
  return (base.to(at::kFloat) + update).to(base.scalar_type());
}

at::Tensor merged_weight(const at::Tensor& w_NK, const LoraPair& lora) {
  const at::NoGradGuard no_grad;
  const auto host = [](const at::Tensor& tensor) { return tensor.detach().to(at::kCPU, at::kFloat); };
  const at::Tensor update = ops::linear(host(lora.b_NR), host(lora.a_RK).t().contiguous()) * lora.scaling;
  return (host(w_NK) + update).to(w_NK.scalar_type());
}

}  // namespace prosodia
