// 1-D convolution (im2col + linear) and pair pooling over ranges of rows.
#include <cstring>

#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

// For every output row and tap, the input row it reads, or -1 in the padding: [outputs * taps].
std::vector<int64_t> tap_rows(std::span<const RowRange> ranges, int64_t taps, int64_t stride, int64_t pad) {
  std::vector<int64_t> rows;
  for (const RowRange& range : ranges) {
    const int64_t length = range.end - range.begin, outputs = (length + 2 * pad - taps) / stride + 1;
    PROSODIA_CHECK(length + 2 * pad >= taps, "a range of {} rows is shorter than the kernel ({}, padding {})", length,
                   taps, pad);
    for (int64_t t = 0; t < outputs; ++t)
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t at = t * stride - pad + tap;
        rows.push_back(at >= 0 && at < length ? range.begin + at : -1);
      }
  }
  return rows;
}

at::Tensor gather_taps(const at::Tensor& x, const std::vector<int64_t>& rows, int64_t taps) {
  const at::Tensor in = x.contiguous();
  const int64_t channels = x.size(1);
  at::Tensor columns = at::empty({static_cast<int64_t>(rows.size()) / taps, taps * channels}, x.options());
  const float* from = in.const_data_ptr<float>();
  float* to = columns.mutable_data_ptr<float>();
  for (const int64_t row : rows) {
    if (row >= 0)
      std::memcpy(to, from + row * channels, static_cast<size_t>(channels) * sizeof(float));
    else
      std::memset(to, 0, static_cast<size_t>(channels) * sizeof(float));
    to += channels;
  }
  return columns;
}

struct GatherTapsFunction : torch::autograd::Function<GatherTapsFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const std::vector<int64_t>& rows, int64_t taps) {
    ctx->saved_data["rows"] = rows;
    ctx->saved_data["inputs"] = x.size(0);
    ctx->saved_data["channels"] = x.size(1);
    return gather_taps(x, rows, taps);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor dy = grads[0].contiguous();
    const int64_t channels = ctx->saved_data["channels"].toInt();
    at::Tensor dx = at::zeros({ctx->saved_data["inputs"].toInt(), channels}, dy.options());
    const float* from = dy.const_data_ptr<float>();
    float* to = dx.mutable_data_ptr<float>();
    for (const int64_t row : ctx->saved_data["rows"].toIntVector()) {
      if (row >= 0) kernels().add(to + row * channels, from, channels, to + row * channels);
      from += channels;
    }
    return {dx, at::Tensor(), at::Tensor()};
  }
};

// The first row of every pair of every range.
at::Tensor pair_index(std::span<const RowRange> ranges, const at::Device& device) {
  std::vector<int64_t> rows;
  for (const RowRange& range : ranges)
    for (int64_t row = range.begin; row + 1 < range.end; row += 2) rows.push_back(row);
  return at::tensor(rows, at::TensorOptions().dtype(at::kLong)).to(device);
}

struct PairMeanFunction : torch::autograd::Function<PairMeanFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& even) {
    ctx->save_for_backward({even});
    ctx->saved_data["rows"] = x.size(0);
    return (x.index_select(0, even) + x.index_select(0, even + 1)) * 0.5;
  }
  // Every input row occurs at most once, so index_copy is the whole gradient.
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const at::Tensor even = ctx->get_saved_variables()[0], half = grads[0] * 0.5;
    at::Tensor dx = at::zeros({ctx->saved_data["rows"].toInt(), half.size(1)}, half.options());
    dx.index_copy_(0, even, half).index_copy_(0, even + 1, half);
    return {dx, at::Tensor()};
  }
};

}  // namespace

at::Tensor conv1d(const at::Tensor& x_TC, const at::Tensor& w_OCK, const std::optional<at::Tensor>& b_O, int64_t stride,
                  int64_t pad, std::span<const RowRange> ranges) {
  PROSODIA_CHECK(x_TC.dim() == 2 && w_OCK.dim() == 3 && x_TC.size(1) == w_OCK.size(1) && stride > 0 && pad >= 0,
                 "x [.., {}], w [.., {}, {}]", x_TC.size(-1), w_OCK.size(1), w_OCK.size(-1));
  for (const RowRange& r : ranges)
    PROSODIA_CHECK(0 <= r.begin && r.begin <= r.end && r.end <= x_TC.size(0), "[{}, {})", r.begin, r.end);
  if (!on_cpu_kernels(x_TC) || !on_cpu_kernels(w_OCK)) {
    std::vector<at::Tensor> parts;
    for (const RowRange& r : ranges) {
      const at::Tensor in = x_TC.narrow(0, r.begin, r.end - r.begin).t().unsqueeze(0);
      parts.push_back(at::conv1d(in, w_OCK, b_O, stride, pad).squeeze(0).t());
    }
    return at::cat(parts, 0);
  }
  const int64_t taps = w_OCK.size(2);
  const std::vector<int64_t> rows = tap_rows(ranges, taps, stride, pad);
  const at::Tensor x = as_float(x_TC);
  const at::Tensor columns = needs_grad(x) ? GatherTapsFunction::apply(x, rows, taps) : gather_taps(x, rows, taps);
  return like(x_TC, ops::linear(columns, w_OCK.permute({0, 2, 1}).reshape({w_OCK.size(0), -1}), b_O));
}

at::Tensor conv1d(const at::Tensor& x_TC, const at::Tensor& w_OCK, const std::optional<at::Tensor>& b_O, int64_t stride,
                  int64_t pad) {
  const RowRange all{0, x_TC.size(0)};
  return conv1d(x_TC, w_OCK, b_O, stride, pad, {&all, 1});
}

at::Tensor avg_pool_pairs(const at::Tensor& x_TC, std::span<const RowRange> ranges) {
  PROSODIA_CHECK(x_TC.dim() == 2);
  return PairMeanFunction::apply(x_TC, pair_index(ranges, x_TC.device()));
}

at::Tensor avg_pool_pairs(const at::Tensor& x_TC) {
  const RowRange all{0, x_TC.size(0)};
  return avg_pool_pairs(x_TC, {&all, 1});
}

}  // namespace prosodia::ops
