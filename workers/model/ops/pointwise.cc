// Activations and the embedding.
#include <unordered_map>
#include <vector>

#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

constexpr int64_t kWorkPerElement = 16;

at::Tensor gelu_forward(const at::Tensor& x) {
  const at::Tensor in = as_float(x.contiguous());
  at::Tensor y = at::empty(x.sizes(), in.options());
  const float* from = in.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  for_row_parts(x.numel(), kWorkPerElement,
                [&](int64_t begin, int64_t end) { kernels().gelu(from + begin, end - begin, to + begin); });
  return like(x, y);
}

struct GeluFunction : torch::autograd::Function<GeluFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return gelu_forward(x);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor saved = ctx->get_saved_variables()[0];
    const at::Tensor x = as_float(saved.contiguous()), dy = as_float(grads[0].contiguous());
    at::Tensor dx = at::empty(x.sizes(), x.options());
    const float *in = x.const_data_ptr<float>(), *grad = dy.const_data_ptr<float>();
    float* out = dx.mutable_data_ptr<float>();
    for_row_parts(x.numel(), kWorkPerElement, [&](int64_t begin, int64_t end) {
      kernels().gelu_backward(in + begin, grad + begin, end - begin, out + begin);
    });
    return {like(saved, dx)};
  }
};

at::Tensor silu_mul_forward(const at::Tensor& gate, const at::Tensor& up) {
  const at::Tensor gate_rows = as_float(as_rows(gate)), up_rows = as_float(as_rows(up));
  const auto kernel = is_bf16(gate) ? kernels().silu_mul_bf16 : kernels().silu_mul;
  at::Tensor y = at::empty(gate.sizes(), gate_rows.options());
  const int64_t channels = gate.size(-1), gate_stride = row_stride(gate_rows), up_stride = row_stride(up_rows);
  const float *g = gate_rows.const_data_ptr<float>(), *u = up_rows.const_data_ptr<float>();
  float* out = y.mutable_data_ptr<float>();
  for_row_parts(gate_rows.size(0), kWorkPerElement * channels, [&](int64_t begin, int64_t end) {
    kernel(g + begin * gate_stride, gate_stride, u + begin * up_stride, up_stride, end - begin, channels,
           out + begin * channels, channels);
  });
  return like(gate, y);
}

struct SiluMulFunction : torch::autograd::Function<SiluMulFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    ctx->save_for_backward({gate, up});
    return silu_mul_forward(gate, up);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor gate = as_float(saved[0].contiguous()), up = as_float(saved[1].contiguous()),
                     dy = as_float(grads[0].contiguous());
    at::Tensor dgate = at::empty(gate.sizes(), gate.options()), dup = at::empty(up.sizes(), up.options());
    const float *g = gate.const_data_ptr<float>(), *u = up.const_data_ptr<float>(), *grad = dy.const_data_ptr<float>();
    float *dg = dgate.mutable_data_ptr<float>(), *du = dup.mutable_data_ptr<float>();
    for_row_parts(gate.numel(), kWorkPerElement, [&](int64_t begin, int64_t end) {
      kernels().silu_mul_backward(g + begin, u + begin, grad + begin, end - begin, dg + begin, du + begin);
    });
    return {like(saved[0], dgate), like(saved[1], dup)};
  }
};

// Row sums of the gradient, in float32 and token order: one row per different id. [U], [U, C].
struct RowSums {
  at::Tensor ids, sums;
};
RowSums sum_by_id(const at::Tensor& ids, const at::Tensor& dy) {
  std::unordered_map<int64_t, int64_t> row_of;
  std::vector<int64_t> distinct, rows;
  const int64_t* id = ids.const_data_ptr<int64_t>();
  for (int64_t t = 0; t < ids.numel(); ++t) {
    const auto [found, inserted] = row_of.try_emplace(id[t], static_cast<int64_t>(distinct.size()));
    if (inserted) distinct.push_back(id[t]);
    rows.push_back(found->second);
  }
  const int64_t channels = dy.size(-1);
  at::Tensor sums = at::zeros({static_cast<int64_t>(distinct.size()), channels}, dy.options());
  const float* grad = dy.const_data_ptr<float>();
  float* out = sums.mutable_data_ptr<float>();
  for (size_t t = 0; t < rows.size(); ++t) {
    float* row = out + rows[t] * channels;
    kernels().add(row, grad + static_cast<int64_t>(t) * channels, channels, row);
  }
  return {at::tensor(distinct, at::kLong), sums};
}

struct EmbeddingFunction : torch::autograd::Function<EmbeddingFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& ids, const at::Tensor& w) {
    ctx->save_for_backward({ids});
    ctx->saved_data["rows"] = w.size(0);
    return at::embedding(w, ids);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const RowSums rows = sum_by_id(ctx->get_saved_variables()[0].contiguous(), as_float(grads[0]).contiguous());
    at::Tensor dw = at::zeros({ctx->saved_data["rows"].toInt(), rows.sums.size(1)}, grads[0].options());
    dw.index_copy_(0, rows.ids, like(dw, rows.sums));
    return {at::Tensor(), dw};
  }
};

}  // namespace

at::Tensor gelu(const at::Tensor& x) {
  if (!on_cpu_kernels(x)) return at::gelu(x);
  return needs_grad(x) ? GeluFunction::apply(x) : gelu_forward(x);
}

at::Tensor silu_mul(const at::Tensor& gate_TI, const at::Tensor& up_TI) {
  PROSODIA_CHECK(gate_TI.sizes() == up_TI.sizes(), "gate and up differ in shape");
  if (!on_cpu_kernels(gate_TI) || gate_TI.scalar_type() != up_TI.scalar_type()) return at::silu(gate_TI) * up_TI;
  return needs_grad(gate_TI, up_TI) ? SiluMulFunction::apply(gate_TI, up_TI) : silu_mul_forward(gate_TI, up_TI);
}

at::Tensor embedding(const at::Tensor& ids_T, const at::Tensor& w_VC) {
  PROSODIA_CHECK(ids_T.scalar_type() == at::kLong && w_VC.dim() == 2);
  const at::Tensor ids = ids_T.to(w_VC.device());
  if (!on_cpu_kernels(w_VC) || !needs_grad(w_VC)) return at::embedding(w_VC, ids);
  return EmbeddingFunction::apply(ids, w_VC);
}

}  // namespace prosodia::ops
