// Rotary position embedding, rotate_half convention.
#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

// direction 1 rotates, -1 rotates back (the gradient).
at::Tensor rotate(const at::Tensor& x, const at::Tensor& positions, const RopeTable& table, float direction) {
  const at::Tensor heads = as_float(as_heads(x));
  const int64_t count = heads.size(1), dim = heads.size(2), stride = heads.size(0) > 1 ? heads.stride(0) : count * dim;
  at::Tensor y = at::empty(x.sizes(), heads.options());
  const float* in = heads.const_data_ptr<float>();
  const int64_t* position = positions.const_data_ptr<int64_t>();
  float* out = y.mutable_data_ptr<float>();
  for_row_parts(heads.size(0), count * dim * 4, [&](int64_t begin, int64_t end) {
    kernels().rope(in + begin * stride, stride, end - begin, count, dim, position + begin, table.cos_data(),
                   table.sin_data(), direction, out + begin * count * dim, count * dim);
  });
  return like(x, y);
}

struct RopeFunction : torch::autograd::Function<RopeFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& positions,
                            const RopeTable& table) {
    ctx->save_for_backward({positions});
    ctx->saved_data["cos"] = table.cos();
    ctx->saved_data["sin"] = table.sin();
    return rotate(x, positions, table, 1.0f);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const RopeTable table(ctx->saved_data["cos"].toTensor(), ctx->saved_data["sin"].toTensor());
    return {rotate(grads[0], ctx->get_saved_variables()[0], table, -1.0f), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

RopeTable::RopeTable(int64_t head_dim, double theta, int64_t max_positions)
    : head_dim_(head_dim), max_positions_(max_positions) {
  PROSODIA_CHECK(head_dim > 0 && head_dim % 2 == 0 && max_positions > 0, "head_dim {}, positions {}", head_dim,
                 max_positions);
  // The steps of transformers' default rope, in its precision: a last-bit difference of an inverse frequency grows to
  // visible angles at large positions.
  const at::NoGradGuard no_grad;
  const at::TensorOptions fp32 = at::TensorOptions().dtype(at::kFloat);
  const at::Tensor exponent =
      at::arange(0, head_dim, 2, at::TensorOptions().dtype(at::kLong)).to(at::kFloat) / head_dim;
  const at::Tensor inverse = 1.0 / at::pow(at::Scalar(theta), exponent);
  const at::Tensor angles = at::arange(max_positions, fp32).unsqueeze(1) * inverse.unsqueeze(0);
  cos_ = at::cos(angles);
  sin_ = at::sin(angles);
}

RopeTable::RopeTable(at::Tensor cos, at::Tensor sin)
    : head_dim_(2 * cos.size(1)), max_positions_(cos.size(0)), cos_(std::move(cos)), sin_(std::move(sin)) {}

const float* RopeTable::cos_data() const { return cos_.const_data_ptr<float>(); }
const float* RopeTable::sin_data() const { return sin_.const_data_ptr<float>(); }

at::Tensor rope(const at::Tensor& x_THD, const at::Tensor& positions_T, const RopeTable& table) {
  PROSODIA_CHECK(x_THD.dim() == 3 && x_THD.size(2) == table.head_dim() && positions_T.numel() == x_THD.size(0) &&
                     positions_T.scalar_type() == at::kLong,
                 "x [{}, .., {}], {} positions, table of head dim {}", x_THD.size(0), x_THD.size(-1),
                 positions_T.numel(), table.head_dim());
  if (on_cpu_kernels(x_THD)) {
    const at::Tensor positions = positions_T.contiguous();
    const int64_t* position = positions.const_data_ptr<int64_t>();
    for (int64_t t = 0; t < positions.numel(); ++t)
      PROSODIA_CHECK(position[t] >= 0 && position[t] < table.max_positions(), "position {} of {}", position[t],
                     table.max_positions());
    return needs_grad(x_THD) ? RopeFunction::apply(x_THD, positions, table) : rotate(x_THD, positions, table, 1.0f);
  }
  // In float32, rounded once: rotating in the model's type, as transformers does, loses more.
  const at::Tensor x = x_THD.to(at::kFloat);
  const at::Tensor index = positions_T.to(table.cos().device());
  const auto row = [&](const at::Tensor& values) {
    const at::Tensor half = values.index_select(0, index);
    return at::cat({half, half}, -1).unsqueeze(1).to(x.options());
  };
  const int64_t half = x_THD.size(2) / 2;
  const at::Tensor rotated = at::cat({-x.narrow(2, half, half), x.narrow(2, 0, half)}, -1);
  return like(x_THD, x * row(table.cos()) + rotated * row(table.sin()));
}

}  // namespace prosodia::ops
