// Activations and the embedding.
#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

constexpr int64_t kWorkPerElement = 16;

at::Tensor gelu_forward(const at::Tensor& x) {
  const at::Tensor in = x.contiguous();
  at::Tensor y = at::empty(x.sizes(), x.options());
  const float* from = in.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  for_row_parts(x.numel(), kWorkPerElement,
                [&](int64_t begin, int64_t end) { kernels().gelu(from + begin, end - begin, to + begin); });
  return y;
}

struct GeluFunction : torch::autograd::Function<GeluFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    ctx->save_for_backward({x});
    return gelu_forward(x);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor x = ctx->get_saved_variables()[0].contiguous(), dy = grads[0].contiguous();
    at::Tensor dx = at::empty(x.sizes(), x.options());
    const float *in = x.const_data_ptr<float>(), *grad = dy.const_data_ptr<float>();
    float* out = dx.mutable_data_ptr<float>();
    for_row_parts(x.numel(), kWorkPerElement, [&](int64_t begin, int64_t end) {
      kernels().gelu_backward(in + begin, grad + begin, end - begin, out + begin);
    });
    return {dx};
  }
};

at::Tensor silu_mul_forward(const at::Tensor& gate, const at::Tensor& up) {
  const at::Tensor gate_rows = as_rows(gate), up_rows = as_rows(up);
  at::Tensor y = at::empty(gate.sizes(), gate.options());
  const int64_t channels = gate.size(-1), gate_stride = row_stride(gate_rows), up_stride = row_stride(up_rows);
  const float *g = gate_rows.const_data_ptr<float>(), *u = up_rows.const_data_ptr<float>();
  float* out = y.mutable_data_ptr<float>();
  for_row_parts(gate_rows.size(0), kWorkPerElement * channels, [&](int64_t begin, int64_t end) {
    kernels().silu_mul(g + begin * gate_stride, gate_stride, u + begin * up_stride, up_stride, end - begin, channels,
                       out + begin * channels, channels);
  });
  return y;
}

struct SiluMulFunction : torch::autograd::Function<SiluMulFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& gate, const at::Tensor& up) {
    ctx->save_for_backward({gate, up});
    return silu_mul_forward(gate, up);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor gate = saved[0].contiguous(), up = saved[1].contiguous(), dy = grads[0].contiguous();
    at::Tensor dgate = at::empty(gate.sizes(), gate.options()), dup = at::empty(up.sizes(), up.options());
    const float *g = gate.const_data_ptr<float>(), *u = up.const_data_ptr<float>(), *grad = dy.const_data_ptr<float>();
    float *dg = dgate.mutable_data_ptr<float>(), *du = dup.mutable_data_ptr<float>();
    for_row_parts(gate.numel(), kWorkPerElement, [&](int64_t begin, int64_t end) {
      kernels().silu_mul_backward(g + begin, u + begin, grad + begin, end - begin, dg + begin, du + begin);
    });
    return {dgate, dup};
  }
};

struct EmbeddingFunction : torch::autograd::Function<EmbeddingFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& ids, const at::Tensor& w) {
    ctx->save_for_backward({ids});
    ctx->saved_data["rows"] = w.size(0);
    return at::embedding(w, ids);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor ids = ctx->get_saved_variables()[0].contiguous(), dy = grads[0].contiguous();
    const int64_t channels = dy.size(-1);
    at::Tensor dw = at::zeros({ctx->saved_data["rows"].toInt(), channels}, dy.options());
    const int64_t* id = ids.const_data_ptr<int64_t>();
    const float* grad = dy.const_data_ptr<float>();
    float* out = dw.mutable_data_ptr<float>();
    for (int64_t t = 0; t < ids.numel(); ++t) {
      float* row = out + id[t] * channels;
      kernels().add(row, grad + t * channels, channels, row);
    }
    return {at::Tensor(), dw};
  }
};

}  // namespace

at::Tensor gelu(const at::Tensor& x) {
  if (!is_fp32_cpu(x)) return at::gelu(x);
  return needs_grad(x) ? GeluFunction::apply(x) : gelu_forward(x);
}

at::Tensor silu_mul(const at::Tensor& gate_TI, const at::Tensor& up_TI) {
  PROSODIA_CHECK(gate_TI.sizes() == up_TI.sizes(), "gate and up differ in shape");
  if (!is_fp32_cpu(gate_TI) || !is_fp32_cpu(up_TI)) return at::silu(gate_TI) * up_TI;
  return needs_grad(gate_TI, up_TI) ? SiluMulFunction::apply(gate_TI, up_TI) : silu_mul_forward(gate_TI, up_TI);
}

at::Tensor embedding(const at::Tensor& ids_T, const at::Tensor& w_VC) {
  PROSODIA_CHECK(ids_T.scalar_type() == at::kLong && w_VC.dim() == 2);
  const at::Tensor ids = ids_T.to(w_VC.device());
  if (!is_fp32_cpu(w_VC) || !needs_grad(w_VC)) return at::embedding(w_VC, ids);
  return EmbeddingFunction::apply(ids, w_VC);
}

}  // namespace prosodia::ops
