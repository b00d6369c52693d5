// RMS norm and layer norm. Backward recomputes the row statistics instead of saving them. Weight gradients are summed
// over fixed chunks of rows, then over chunks in order, so threads change nothing.
#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

constexpr int64_t kGradChunkRows = 256;

// Calls body(first row, rows, partial) per chunk, where partial points at `floats` zeros, and sums the partials in
// order.
template <class Body>
at::Tensor sum_over_chunks(int64_t rows, int64_t floats, const at::TensorOptions& options, int64_t work_per_row,
                           const Body& body) {
  const int64_t chunks = (rows + kGradChunkRows - 1) / kGradChunkRows;
  at::Tensor partials = at::zeros({std::max<int64_t>(1, chunks), floats}, options);
  float* data = partials.mutable_data_ptr<float>();
  for_row_parts(chunks, kGradChunkRows * work_per_row, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk)
      body(chunk * kGradChunkRows, std::min(kGradChunkRows, rows - chunk * kGradChunkRows), data + chunk * floats);
  });
  for (int64_t chunk = 1; chunk < chunks; ++chunk) kernels().add(data, data + chunk * floats, floats, data);
  return partials[0];
}

at::Tensor rms_norm_forward(const at::Tensor& x, const at::Tensor& w, double eps) {
  const at::Tensor rows = as_rows(x), weight = w.contiguous();
  at::Tensor y = at::empty(x.sizes(), x.options());
  const int64_t channels = x.size(-1), stride = row_stride(rows);
  const float* in = rows.const_data_ptr<float>();
  float* out = y.mutable_data_ptr<float>();
  for_row_parts(rows.size(0), channels * 4, [&](int64_t begin, int64_t end) {
    kernels().rms_norm(in + begin * stride, stride, end - begin, channels, weight.const_data_ptr<float>(),
                       static_cast<float>(eps), out + begin * channels, channels);
  });
  return y;
}

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w, double eps) {
    ctx->save_for_backward({x, w});
    ctx->saved_data["eps"] = eps;
    return rms_norm_forward(x, w, eps);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor x = saved[0].contiguous(), w = saved[1].contiguous(), dy = grads[0].contiguous();
    const int64_t channels = x.size(-1), rows = x.numel() / channels;
    const float eps = static_cast<float>(ctx->saved_data["eps"].toDouble());
    at::Tensor dx = at::empty(x.sizes(), x.options());
    const float *in = x.const_data_ptr<float>(), *grad = dy.const_data_ptr<float>(),
                *weight = w.const_data_ptr<float>();
    float* out = dx.mutable_data_ptr<float>();
    at::Tensor dw =
        sum_over_chunks(rows, channels, w.options(), channels * 8, [&](int64_t row, int64_t n, float* partial) {
          const int64_t at = row * channels;
          kernels().rms_norm_backward(in + at, grad + at, n, channels, weight, eps, out + at, partial);
        });
    return {dx, dw, {}};
  }
};

at::Tensor layer_norm_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, double eps) {
  const at::Tensor rows = as_rows(x), weight = w.contiguous(), bias = b.contiguous();
  at::Tensor y = at::empty(x.sizes(), x.options());
  const int64_t channels = x.size(-1), stride = row_stride(rows);
  const float* in = rows.const_data_ptr<float>();
  float* out = y.mutable_data_ptr<float>();
  for_row_parts(rows.size(0), channels * 6, [&](int64_t begin, int64_t end) {
    kernels().layer_norm(in + begin * stride, stride, end - begin, channels, weight.const_data_ptr<float>(),
                         bias.const_data_ptr<float>(), static_cast<float>(eps), out + begin * channels, channels);
  });
  return y;
}

struct LayerNormFunction : torch::autograd::Function<LayerNormFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            double eps) {
    ctx->save_for_backward({x, w});
    ctx->saved_data["eps"] = eps;
    return layer_norm_forward(x, w, b, eps);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor x = saved[0].contiguous(), w = saved[1].contiguous(), dy = grads[0].contiguous();
    const int64_t channels = x.size(-1), rows = x.numel() / channels;
    const float eps = static_cast<float>(ctx->saved_data["eps"].toDouble());
    at::Tensor dx = at::empty(x.sizes(), x.options());
    const float *in = x.const_data_ptr<float>(), *grad = dy.const_data_ptr<float>(),
                *weight = w.const_data_ptr<float>();
    float* out = dx.mutable_data_ptr<float>();
    const at::Tensor sums =
        sum_over_chunks(rows, 2 * channels, w.options(), channels * 12, [&](int64_t row, int64_t n, float* partial) {
          const int64_t at = row * channels;
          kernels().layer_norm_backward(in + at, grad + at, n, channels, weight, eps, out + at, partial,
                                        partial + channels);
        });
    return {dx, sums.narrow(0, 0, channels), sums.narrow(0, channels, channels), {}};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x_TC, const at::Tensor& w_C, double eps) {
  PROSODIA_CHECK(w_C.dim() == 1 && x_TC.size(-1) == w_C.size(0), "{} channels, {} weights", x_TC.size(-1), w_C.numel());
  if (!is_fp32_cpu(x_TC) || !is_fp32_cpu(w_C)) {
    const at::Tensor x = x_TC.to(at::kFloat);
    return w_C * (x * at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + eps)).to(x_TC.scalar_type());
  }
  if (!needs_grad(x_TC, w_C)) return rms_norm_forward(x_TC, w_C, eps);
  return RmsNormFunction::apply(x_TC, w_C, eps);
}

at::Tensor layer_norm(const at::Tensor& x_TC, const at::Tensor& w_C, const at::Tensor& b_C, double eps) {
  PROSODIA_CHECK(w_C.dim() == 1 && x_TC.size(-1) == w_C.size(0) && b_C.sizes() == w_C.sizes(),
                 "{} channels, {} weights", x_TC.size(-1), w_C.numel());
  if (!is_fp32_cpu(x_TC) || !is_fp32_cpu(w_C)) return at::layer_norm(x_TC, w_C.sizes(), w_C, b_C, eps);
  if (!needs_grad(x_TC, w_C, b_C)) return layer_norm_forward(x_TC, w_C, b_C, eps);
  return LayerNormFunction::apply(x_TC, w_C, b_C, eps);
}

}  // namespace prosodia::ops
