// Linear layers. Forward: y = x w^T + b. Backward: dx = dy w, dw = dy^T x, db = column sums of dy, all by the same
// kernel, so that gradients too have one fixed order on every machine.
#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

constexpr int64_t kMaxPackedElements = int64_t{1}
                                       << 21;  // 8 MB of floats: a packed piece stays in the last-level cache

AlignedBuffer& pack_scratch() {
  thread_local AlignedBuffer buffer;
  return buffer;
}
AlignedBuffer& bias_scratch() {
  thread_local AlignedBuffer buffer;
  return buffer;
}

void gemm(const GemmArgs& args) { kernels().gemm(args); }
void gemm(const GemmArgsBf16& args) { kernels().gemm_bf16(args); }

template <class Element>
void split_gemm(const GemmArgsOf<Element>& args) {
  const int64_t threads = at::get_num_threads();
  if (threads <= 1 || args.rows * args.inner * args.cols < 2'000'000) return gemm(args);
  if (args.rows >= 24 * threads) {
    at::parallel_for(0, args.rows, (args.rows + threads - 1) / threads, [&](int64_t begin, int64_t end) {
      GemmArgsOf<Element> part = args;
      part.a += args.a_transposed ? begin : begin * args.a_stride;
      part.c += begin * args.c_stride;
      part.rows = end - begin;
      gemm(part);
    });
    return;
  }
  const int64_t groups = (args.cols + 15) / 16;
  at::parallel_for(0, groups, (groups + threads - 1) / threads, [&](int64_t begin, int64_t end) {
    GemmArgsOf<Element> part = args;
    part.b += begin * args.b_group_stride;
    part.c += begin * 16;
    if (part.bias) part.bias += begin * 16;
    part.cols = std::min(args.cols, end * 16) - begin * 16;
    gemm(part);
  });
}

enum class BForm { kInnerByCols, kColsByInner };

// C[rows, cols] (+)= A B with B packed here in pieces of bounded size (thread-local scratch).
template <class Element>
void packed_gemm(GemmArgsOf<Element> args, const Element* b, int64_t ldb, BForm form) {
  const int64_t groups_per_piece = std::max<int64_t>(1, kMaxPackedElements / std::max<int64_t>(1, 16 * args.inner));
  const int64_t piece = groups_per_piece * 16, cols = args.cols;
  auto* panels = reserve_elements<Element>(pack_scratch(),
                                           std::min(piece, (cols + 15) / 16 * 16) * std::max<int64_t>(1, args.inner));
  args.b = panels;
  args.b_group_stride = args.inner * 16;
  args.b_row_stride = 16;
  for (int64_t col = 0; col < cols; col += piece) {
    args.cols = std::min(piece, cols - col);
    const int64_t groups = (args.cols + 15) / 16;
    for_row_parts(groups, args.inner * 16, [&](int64_t begin, int64_t end) {
      const int64_t first = col + begin * 16, count = std::min(col + args.cols, col + end * 16) - first;
      Element* out = panels + begin * args.b_group_stride;
      if (form == BForm::kColsByInner)
        pack_transposed(b + first * ldb, ldb, count, args.inner, out);
      else
        pack_rows(b + first, ldb, args.inner, count, out);
    });
    split_gemm(args);
    args.c += args.cols;
    if (args.bias) args.bias += args.cols;
  }
}

// The bias as float, padded for the kernels; null without one.
const float* padded_bias(const at::Tensor* bias) {
  if (!bias) return nullptr;
  const int64_t outputs = bias->numel(), padded = (outputs + 15) / 16 * 16;
  float* copy = bias_scratch().reserve(static_cast<size_t>(padded));
  const at::Tensor values = as_float(bias->contiguous());
  std::copy_n(values.const_data_ptr<float>(), outputs, copy);
  std::fill(copy + outputs, copy + padded, 0.0f);
  return copy;
}

at::Tensor linear_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor* bias) {
  const at::Tensor rows = as_float(as_rows(x)), weight = w.contiguous();
  const int64_t inputs = w.size(1), outputs = w.size(0);
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = outputs;
  at::Tensor y = at::empty(shape, rows.options());
  if (y.numel() == 0) return like(x, y);
  with_elements(weight, [&]<class Element>(const Element* elements) {
    packed_gemm<Element>({.a = rows.const_data_ptr<float>(),
                          .a_stride = row_stride(rows),
                          .a_transposed = false,
                          .bias = padded_bias(bias),
                          .c = y.mutable_data_ptr<float>(),
                          .c_stride = outputs,
                          .rows = rows.size(0),
                          .inner = inputs,
                          .cols = outputs,
                          .accumulate = false},
                         elements, inputs, BForm::kColsByInner);
  });
  return like(x, y);
}

// The gradients are float32.
at::Tensor input_gradient(const at::Tensor& dy_RN, const at::Tensor& w_NK) {
  at::Tensor dx = at::empty({dy_RN.size(0), w_NK.size(1)}, dy_RN.options());
  with_elements(w_NK, [&]<class Element>(const Element* elements) {
    packed_gemm<Element>({.a = dy_RN.const_data_ptr<float>(),
                          .a_stride = row_stride(dy_RN),
                          .a_transposed = false,
                          .c = dx.mutable_data_ptr<float>(),
                          .c_stride = w_NK.size(1),
                          .rows = dy_RN.size(0),
                          .inner = w_NK.size(0),
                          .cols = w_NK.size(1),
                          .accumulate = false},
                         elements, w_NK.size(1), BForm::kInnerByCols);
  });
  return dx;
}

at::Tensor weight_gradient(const at::Tensor& dy_RN, const at::Tensor& x_RK) {
  at::Tensor dw = at::empty({dy_RN.size(1), x_RK.size(1)}, dy_RN.options());
  packed_gemm<float>({.a = dy_RN.const_data_ptr<float>(),
                      .a_stride = row_stride(dy_RN),
                      .a_transposed = true,
                      .c = dw.mutable_data_ptr<float>(),
                      .c_stride = x_RK.size(1),
                      .rows = dy_RN.size(1),
                      .inner = dy_RN.size(0),
                      .cols = x_RK.size(1),
                      .accumulate = false},
                     x_RK.const_data_ptr<float>(), row_stride(x_RK), BForm::kInnerByCols);
  return dw;
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias) {
    ctx->save_for_backward({x, w});
    ctx->saved_data["bias"] = bias.has_value();
    return linear_forward(x, w, bias ? &*bias : nullptr);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], weight = saved[1].contiguous(), rows = as_float(as_rows(x)),
                     dy = as_float(as_rows(grads[0])).contiguous();
    at::Tensor dx, dw, db;
    if (ctx->needs_input_grad(0)) dx = like(x, input_gradient(dy, weight).view(x.sizes()));
    if (ctx->needs_input_grad(1)) dw = like(weight, weight_gradient(dy, rows));
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2)) {
      db = at::zeros({dy.size(1)}, dy.options());
      kernels().column_sums(dy.const_data_ptr<float>(), dy.size(0), dy.size(1), db.mutable_data_ptr<float>());
      db = like(weight, db);
    }
    return {dx, dw, db};
  }
};

}  // namespace

void parallel_gemm(const GemmArgs& args) { split_gemm(args); }
void parallel_gemm(const GemmArgsBf16& args) { split_gemm(args); }

at::Tensor linear(const at::Tensor& x_TK, const at::Tensor& w_NK, const std::optional<at::Tensor>& b_N) {
  PROSODIA_CHECK(w_NK.dim() == 2 && x_TK.size(-1) == w_NK.size(1), "x [.., {}], w [{}, {}]", x_TK.size(-1),
                 w_NK.size(0), w_NK.size(1));
  if (!on_cpu_kernels(x_TK) || !on_cpu_kernels(w_NK)) return like(x_TK, at::linear(like(w_NK, x_TK), w_NK, b_N));
  const bool grad = b_N ? needs_grad(x_TK, w_NK, *b_N) : needs_grad(x_TK, w_NK);
  if (!grad) return linear_forward(x_TK, w_NK, b_N ? &*b_N : nullptr);
  return LinearFunction::apply(x_TK, w_NK, b_N);
}

PackedLinear pack_linear(const at::Tensor& w_NK, const std::optional<at::Tensor>& b_N) {
  PROSODIA_CHECK(w_NK.device().is_cpu() && w_NK.scalar_type() == at::kFloat && w_NK.dim() == 2);
  const at::Tensor weight = w_NK.contiguous();
  const at::Tensor bias = b_N ? b_N->contiguous() : at::Tensor();
  return PackedLinear(weight.const_data_ptr<float>(), b_N ? bias.const_data_ptr<float>() : nullptr, weight.size(0),
                      weight.size(1));
}

}  // namespace prosodia::ops
