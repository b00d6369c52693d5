// Attention over packed segments with shared prefixes. The kernels work on one (segment, kv head) at a time.
#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

using Segments = std::vector<AttentionSegment>;

struct Shape {
  int64_t tokens, heads, kv_heads, dim, group;
};
Shape shape_of(const at::Tensor& q, const at::Tensor& k) {
  return {q.size(0), q.size(1), k.size(1), q.size(2), q.size(1) / k.size(1)};
}

// bfloat16 is widened: scores, softmax and sums are float32, the output is rounded once.
at::Tensor float_heads(const at::Tensor& x) { return as_heads(as_float(x)); }
int64_t token_stride(const at::Tensor& x) { return x.size(0) > 1 ? x.stride(0) : x.size(1) * x.size(2); }

void check_segments(std::span<const AttentionSegment> segments, int64_t tokens) {
  for (const AttentionSegment& s : segments)
    PROSODIA_CHECK(0 <= s.begin && s.begin < s.end && s.end <= tokens && 0 <= s.prefix_begin &&
                       s.prefix_begin <= s.prefix_end && s.prefix_end <= tokens &&
                       (s.prefix_begin == s.prefix_end || s.prefix_end <= s.begin || s.prefix_begin >= s.end),
                   "segment [{}, {}) prefix [{}, {}) of {} tokens", s.begin, s.end, s.prefix_begin, s.prefix_end,
                   tokens);
}

int64_t covered(const Segments& segments) {
  int64_t rows = 0;
  for (const AttentionSegment& s : segments) rows += s.end - s.begin;
  return rows;
}
at::Tensor output_like(const at::Tensor& x, const Segments& segments) {
  return covered(segments) == x.size(0) ? at::empty(x.sizes(), x.options()) : at::zeros(x.sizes(), x.options());
}

AlignedBuffer& workspace() {
  thread_local AlignedBuffer buffer;
  return buffer;
}

size_t workspace_floats(const Segments& segments, const Shape& shape, bool backward) {
  int64_t floats = 0;
  for (const AttentionSegment& s : segments)
    floats = std::max(floats, kernels().attention_workspace_floats(s.end - s.begin, s.prefix_end - s.prefix_begin,
                                                                   shape.group, shape.dim, backward));
  return static_cast<size_t>(floats);
}

// Pointers of q, k, v for a segment and kv head.
AttentionArgs args_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionSegment& s,
                      int64_t kv_head, const Shape& shape, double scale) {
  AttentionArgs args{};
  args.q_stride = token_stride(q);
  args.k_stride = token_stride(k);
  args.v_stride = token_stride(v);
  const float* keys = k.const_data_ptr<float>() + kv_head * shape.dim;
  const float* values = v.const_data_ptr<float>() + kv_head * shape.dim;
  args.q = q.const_data_ptr<float>() + s.begin * args.q_stride + kv_head * shape.group * shape.dim;
  args.k = keys + s.begin * args.k_stride;
  args.v = values + s.begin * args.v_stride;
  args.prefix_k = keys + s.prefix_begin * args.k_stride;
  args.prefix_v = values + s.prefix_begin * args.v_stride;
  args.queries = s.end - s.begin;
  args.prefix = s.prefix_end - s.prefix_begin;
  args.group = shape.group;
  args.dim = shape.dim;
  args.causal = s.causal;
  args.scale = static_cast<float>(scale);
  return args;
}

// Calls unit(segment, kv head, prefix still packed in this thread's workspace) in head-major order.
template <class Unit>
void for_units(const Segments& segments, int64_t first, int64_t last, const Unit& unit) {
  const int64_t count = static_cast<int64_t>(segments.size());
  const AttentionSegment* packed = nullptr;
  int64_t packed_head = -1;
  for (int64_t i = first; i < last; ++i) {
    const AttentionSegment& s = segments[i % count];
    const int64_t head = i / count;
    const bool reuse = packed != nullptr && packed_head == head && packed->prefix_begin == s.prefix_begin &&
                       packed->prefix_end == s.prefix_end;
    unit(s, head, reuse);
    packed = &s;
    packed_head = head;
  }
}

at::Tensor attention_forward(const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v_in,
                             const Segments& segments, double scale) {
  const at::Tensor q = float_heads(q_in), k = float_heads(k_in), v = float_heads(v_in);
  const Shape shape = shape_of(q, k);
  at::Tensor out = output_like(q, segments);
  float* data = out.mutable_data_ptr<float>();
  const int64_t stride = shape.heads * shape.dim, units = static_cast<int64_t>(segments.size()) * shape.kv_heads;
  const size_t floats = workspace_floats(segments, shape, false);
  for_row_parts(units, 200'000, [&](int64_t first, int64_t last) {
    float* scratch = workspace().reserve(floats);
    for_units(segments, first, last, [&](const AttentionSegment& s, int64_t head, bool prefix_is_packed) {
      AttentionArgs args = args_of(q, k, v, s, head, shape, scale);
      args.out = data + s.begin * stride + head * shape.group * shape.dim;
      args.out_stride = stride;
      args.prefix_is_packed = prefix_is_packed;
      args.workspace = scratch;
      kernels().attention(args);
    });
  });
  return like(q_in, out);
}

variable_list attention_gradients(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& dout,
                                  const Segments& segments, double scale) {
  const Shape shape = shape_of(q, k);
  at::Tensor dq = output_like(q, segments), dk = at::zeros(k.sizes(), k.options()),
             dv = at::zeros(v.sizes(), v.options());
  const float* grad = dout.const_data_ptr<float>();
  float *dq_data = dq.mutable_data_ptr<float>(), *dk_data = dk.mutable_data_ptr<float>(),
        *dv_data = dv.mutable_data_ptr<float>();
  const int64_t stride = shape.heads * shape.dim, kv_stride = shape.kv_heads * shape.dim;
  const size_t floats = workspace_floats(segments, shape, true);
  const int64_t count = static_cast<int64_t>(segments.size());
  // Parts are whole kv heads: one thread adds to a head's dk and dv, in the order of the segments.
  for_row_parts(shape.kv_heads, 200'000, [&](int64_t first, int64_t last) {
    float* scratch = workspace().reserve(floats);
    for_units(segments, first * count, last * count, [&](const AttentionSegment& s, int64_t head, bool packed) {
      AttentionArgs args = args_of(q, k, v, s, head, shape, scale);
      const int64_t q_at = head * shape.group * shape.dim, kv_at = head * shape.dim;
      args.dout = grad + s.begin * stride + q_at;
      args.dq = dq_data + s.begin * stride + q_at;
      args.dout_stride = args.dq_stride = stride;
      args.dk = dk_data + s.begin * kv_stride + kv_at;
      args.dv = dv_data + s.begin * kv_stride + kv_at;
      args.prefix_dk = dk_data + s.prefix_begin * kv_stride + kv_at;
      args.prefix_dv = dv_data + s.prefix_begin * kv_stride + kv_at;
      args.dk_stride = args.dv_stride = kv_stride;
      args.prefix_is_packed = packed;
      args.workspace = scratch;
      kernels().attention_backward(args);
    });
  });
  return {dq, dk, dv};
}

struct AttentionFunction : torch::autograd::Function<AttentionFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Segments& segments, double scale) {
    ctx->save_for_backward({q, k, v});
    std::vector<int64_t> flat;
    for (const AttentionSegment& s : segments)
      flat.insert(flat.end(), {s.begin, s.end, s.prefix_begin, s.prefix_end, s.causal});
    ctx->saved_data["segments"] = flat;
    ctx->saved_data["scale"] = scale;
    return attention_forward(q, k, v, segments, scale);
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const std::vector<int64_t> flat = ctx->saved_data["segments"].toIntVector();
    Segments segments;
    for (size_t i = 0; i < flat.size(); i += 5)
      segments.push_back({flat[i], flat[i + 1], flat[i + 2], flat[i + 3], flat[i + 4] != 0});
    variable_list result =
        attention_gradients(float_heads(saved[0]), float_heads(saved[1]), float_heads(saved[2]),
                            as_float(grads[0]).contiguous(), segments, ctx->saved_data["scale"].toDouble());
    for (size_t i = 0; i < 3; ++i) result[i] = like(saved[i], result[i]);
    result.resize(5);
    return result;
  }
};

// Other dtypes and devices: one scaled_dot_product_attention per segment. CUDA: not run on a GPU yet.
at::Tensor attend_segment(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionSegment& s,
                          double scale) {
  const int64_t own = s.end - s.begin, prefix = s.prefix_end - s.prefix_begin;
  const auto keys_of = [&](const at::Tensor& x) {
    at::Tensor rows = x.narrow(0, s.begin, own);
    if (prefix > 0) rows = at::cat({x.narrow(0, s.prefix_begin, prefix), rows}, 0);
    return rows.transpose(0, 1).unsqueeze(0).repeat_interleave(q.size(1) / k.size(1), 1);  // [1, H, keys, D]
  };
  std::optional<at::Tensor> mask;
  if (s.causal && prefix > 0) mask = at::ones({own, prefix + own}, q.options().dtype(at::kBool)).tril(prefix);
  const at::Tensor queries = q.narrow(0, s.begin, own).transpose(0, 1).unsqueeze(0);
  return at::scaled_dot_product_attention(queries, keys_of(k), keys_of(v), mask, 0.0, s.causal && prefix == 0, scale)
      .squeeze(0)
      .transpose(0, 1);
}

at::Tensor composite_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, Segments segments,
                               double scale) {
  std::sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  std::vector<at::Tensor> parts;
  int64_t next = 0;
  const auto fill_to = [&](int64_t row) {
    if (row > next) parts.push_back(at::zeros({row - next, q.size(1), q.size(2)}, q.options()));
  };
  for (const AttentionSegment& s : segments) {
    fill_to(s.begin);
    parts.push_back(attend_segment(q, k, v, s, scale));
    next = s.end;
  }
  fill_to(q.size(0));
  return at::cat(parts, 0);
}

}  // namespace

at::Tensor attention(const at::Tensor& q_THD, const at::Tensor& k_TGD, const at::Tensor& v_TGD,
                     std::span<const AttentionSegment> segments, double scale) {
  PROSODIA_CHECK(q_THD.dim() == 3 && k_TGD.dim() == 3 && k_TGD.sizes() == v_TGD.sizes() &&
                     q_THD.size(0) == k_TGD.size(0) && q_THD.size(2) == k_TGD.size(2) &&
                     q_THD.size(1) % k_TGD.size(1) == 0 && q_THD.size(1) / k_TGD.size(1) <= 256 && scale > 0,
                 "q, k, v shapes disagree");
  check_segments(segments, q_THD.size(0));
  const Segments list(segments.begin(), segments.end());
  if (!on_cpu_kernels(q_THD)) return composite_attention(q_THD, k_TGD, v_TGD, list, scale);
  if (!needs_grad(q_THD, k_TGD, v_TGD)) return attention_forward(q_THD, k_TGD, v_TGD, list, scale);
  return AttentionFunction::apply(q_THD, k_TGD, v_TGD, list, scale);
}

}  // namespace prosodia::ops
