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

// Calls rows(in, stride, count, out) over parts of x's rows; the output has x's type.
template <class Rows>
at::Tensor map_rows(const at::Tensor& x, int64_t work_per_channel, const Rows& rows) {
  const at::Tensor in = as_float(as_rows(x));
  at::Tensor y = at::empty(x.sizes(), in.options());
  const int64_t channels = x.size(-1), stride = row_stride(in);
  const float* from = in.const_data_ptr<float>();
  float* to = y.mutable_data_ptr<float>();
  for_row_parts(in.size(0), channels * work_per_channel, [&](int64_t begin, int64_t end) {
    rows(from + begin * stride, stride, end - begin, to + begin * channels);
  });
  return like(x, y);
}

// Calls rows(x, dy, count, dx, sums) over chunks of rows; `sums` points at this chunk's gradient of the vectors of
// `channels` floats each. Returns dx in x's type, and the sums, [vectors * channels] float32.
struct NormGradients {
  at::Tensor dx, sums;
};
template <class Rows>
NormGradients norm_gradients(const at::Tensor& x, const at::Tensor& dy, int64_t vectors, int64_t work_per_channel,
                             const Rows& rows) {
  const at::Tensor in = as_float(x.contiguous()), grad = as_float(dy.contiguous());
  const int64_t channels = x.size(-1), count = x.numel() / channels;
  at::Tensor dx = at::empty(x.sizes(), in.options());
  const float *from = in.const_data_ptr<float>(), *grad_from = grad.const_data_ptr<float>();
  float* to = dx.mutable_data_ptr<float>();
  const at::Tensor sums = sum_over_chunks(count, vectors * channels, in.options(), channels * work_per_channel,
                                          [&](int64_t row, int64_t n, float* partial) {
                                            const int64_t at = row * channels;
                                            rows(from + at, grad_from + at, n, to + at, partial);
                                          });
  return {like(x, dx), sums};
}

at::Tensor rms_norm_forward(const at::Tensor& x, const at::Tensor& w, double eps) {
  const at::Tensor weight = as_float(w.contiguous());
  const auto kernel = is_bf16(x) ? kernels().rms_norm_bf16 : kernels().rms_norm;
  const int64_t channels = x.size(-1);
  return map_rows(x, 4, [&](const float* in, int64_t stride, int64_t count, float* out) {
    kernel(in, stride, count, channels, weight.const_data_ptr<float>(), static_cast<float>(eps), out, channels);
  });
}

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w, double eps) {
    ctx->save_for_backward({x, w});
    ctx->saved_data["eps"] = eps;
    return rms_norm_forward(x, w, eps);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], weight = as_float(w.contiguous());
    const float eps = static_cast<float>(ctx->saved_data["eps"].toDouble());
    const NormGradients result =
        norm_gradients(x, grads[0], 1, 8, [&](const float* in, const float* dy, int64_t count, float* dx, float* dw) {
          kernels().rms_norm_backward(in, dy, count, x.size(-1), weight.const_data_ptr<float>(), eps, dx, dw);
        });
    return {result.dx, like(w, result.sums), {}};
  }
};

at::Tensor layer_norm_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, double eps) {
  const at::Tensor weight = as_float(w.contiguous()), bias = as_float(b.contiguous());
  const int64_t channels = x.size(-1);
  return map_rows(x, 6, [&](const float* in, int64_t stride, int64_t count, float* out) {
    kernels().layer_norm(in, stride, count, channels, weight.const_data_ptr<float>(), bias.const_data_ptr<float>(),
                         static_cast<float>(eps), out, channels);
  });
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
    const at::Tensor &x = saved[0], &w = saved[1], weight = as_float(w.contiguous());
    const int64_t channels = x.size(-1);
    const float eps = static_cast<float>(ctx->saved_data["eps"].toDouble());
    const NormGradients result = norm_gradients(
        x, grads[0], 2, 12, [&](const float* in, const float* dy, int64_t count, float* dx, float* sums) {
          kernels().layer_norm_backward(in, dy, count, channels, weight.const_data_ptr<float>(), eps, dx, sums,
                                        sums + channels);
        });
    return {
        result.dx, like(w, result.sums.narrow(0, 0, channels)), like(w, result.sums.narrow(0, channels, channels)), {}};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x_TC, const at::Tensor& w_C, double eps) {
  PROSODIA_CHECK(w_C.dim() == 1 && x_TC.size(-1) == w_C.size(0), "{} channels, {} weights", x_TC.size(-1), w_C.numel());
  if (!on_cpu_kernels(x_TC) || !on_cpu_kernels(w_C)) {
    const at::Tensor x = x_TC.to(at::kFloat);
    return w_C * (x * at::rsqrt(x.square().mean(-1, /*keepdim=*/true) + eps)).to(x_TC.scalar_type());
  }
  if (!needs_grad(x_TC, w_C)) return rms_norm_forward(x_TC, w_C, eps);
  return RmsNormFunction::apply(x_TC, w_C, eps);
}

at::Tensor layer_norm(const at::Tensor& x_TC, const at::Tensor& w_C, const at::Tensor& b_C, double eps) {
  PROSODIA_CHECK(w_C.dim() == 1 && x_TC.size(-1) == w_C.size(0) && b_C.sizes() == w_C.sizes(),
                 "{} channels, {} weights", x_TC.size(-1), w_C.numel());
  if (!on_cpu_kernels(x_TC) || !on_cpu_kernels(w_C)) return at::layer_norm(x_TC, w_C.sizes(), w_C, b_C, eps);
  if (!needs_grad(x_TC, w_C, b_C)) return layer_norm_forward(x_TC, w_C, b_C, eps);
  return LayerNormFunction::apply(x_TC, w_C, b_C, eps);
}

}  // namespace prosodia::ops
