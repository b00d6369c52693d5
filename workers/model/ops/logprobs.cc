// Log-probabilities of target tokens and entropy, without ever holding [rows, vocabulary].
//
// Vocabulary columns are taken in chunks of kVocabChunk, rows in blocks of kLogitRowBlock; a block of logits (4 MB) is
// made, reduced and forgotten. Backward makes the same blocks again: d logits = g / T (onehot - softmax), then dh +=
// dlogits w and dw = dlogits^T h. When all logits together are small (kMaxKeptLogits), forward keeps them, which saves
// backward one of its three products.
#include "workers/model/ops/stats.h"
#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

struct Scratch {
  AlignedBuffer panels, weight_rows, logits, gradients, hidden_rows, weight_gradients;
};
Scratch& scratch() {
  thread_local Scratch buffers;
  return buffers;
}

// Element: of w, float or Bf16. Hidden states, logits and gradients are float.
template <class Element>
struct Problem {
  const float* h;
  const Element* w;
  const int64_t* targets;
  int64_t rows, channels, vocab;
  float inverse_temperature;
};

// One block of logits: rows [row, row + rows), columns [col, col + cols) of h w^T.
struct LogitBlock {
  float* data;
  int64_t row, rows, col, cols;
};

// panels: [ceil(cols/16)][C][16] of w rows [col, col + cols).
template <class Element>
Element* pack_chunk(const Problem<Element>& p, int64_t col, int64_t cols) {
  auto* panels = reserve_elements<Element>(scratch().panels, (cols + 15) / 16 * 16 * p.channels);
  for_row_parts((cols + 15) / 16, 16 * p.channels, [&](int64_t begin, int64_t end) {
    pack_transposed(p.w + (col + begin * 16) * p.channels, p.channels, std::min(cols, end * 16) - begin * 16,
                    p.channels, panels + begin * 16 * p.channels);
  });
  return panels;
}

template <class Element>
void compute_logits(const Problem<Element>& p, const Element* panels, const LogitBlock& block) {
  parallel_gemm(GemmArgsOf<Element>{.a = p.h + block.row * p.channels,
                                    .a_stride = p.channels,
                                    .a_transposed = false,
                                    .b = panels,
                                    .b_group_stride = 16 * p.channels,
                                    .b_row_stride = 16,
                                    .bias = nullptr,
                                    .c = block.data,
                                    .c_stride = block.cols,
                                    .rows = block.rows,
                                    .inner = p.channels,
                                    .cols = block.cols,
                                    .accumulate = false});
}

// Calls visit(block) for every block, column chunks outermost, with block.data holding the logits. `kept`: all logits,
// as [chunk][R][chunk's columns], or null; kFill computes them there, kRead finds them there.
enum class Kept { kFill, kRead };
template <class Element, class Visit>
void for_blocks(const Problem<Element>& p, float* kept, Kept mode, const Visit& visit) {
  for (int64_t col = 0; col < p.vocab; col += kVocabChunk) {
    const int64_t cols = std::min(kVocabChunk, p.vocab - col);
    const bool compute = kept == nullptr || mode == Kept::kFill;
    const Element* panels = compute ? pack_chunk(p, col, cols) : nullptr;
    float* reused =
        kept ? nullptr : scratch().logits.reserve(static_cast<size_t>(std::min(kLogitRowBlock, p.rows) * cols));
    for (int64_t row = 0; row < p.rows; row += kLogitRowBlock) {
      const LogitBlock block{kept ? kept + col * p.rows + row * cols : reused, row,
                             std::min(kLogitRowBlock, p.rows - row), col, cols};
      if (compute) compute_logits(p, panels, block);
      visit(block);
    }
  }
}

// Fills logprobs, logsumexp and entropy, each [R].
template <class Element>
void forward_rows(const Problem<Element>& p, float* kept, float* logprobs, float* logsumexp, float* entropy) {
  std::vector<RunningStats> stats(static_cast<size_t>(p.rows));
  for_blocks(p, kept, Kept::kFill, [&](const LogitBlock& block) {
    for_row_parts(block.rows, block.cols * 16, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const float* logits = block.data + r * block.cols;
        const int64_t row = block.row + r, target = p.targets[row] - block.col;
        stats[row].add(kernels().chunk_stats(logits, block.cols, p.inverse_temperature));
        if (target >= 0 && target < block.cols) logprobs[row] = logits[target];
      }
    });
  });
  for (int64_t row = 0; row < p.rows; ++row) {
    const LogitsStats result = stats[row].result();
    logprobs[row] = token_logprob(logprobs[row], p.inverse_temperature, result);
    logsumexp[row] = result.logsumexp;
    entropy[row] = result.entropy;
  }
}

// The gradient of a block's logits, into scratch memory (kept logits stay as they are: backward may run again).
template <class Element>
float* logit_gradients(const Problem<Element>& p, const LogitBlock& block, const float* logsumexp, const float* grad) {
  float* gradients = scratch().gradients.reserve(static_cast<size_t>(block.rows * block.cols));
  for_row_parts(block.rows, block.cols * 16, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float* out = gradients + r * block.cols;
      const int64_t row = block.row + r, target = p.targets[row] - block.col;
      const float factor = grad[row] * p.inverse_temperature;
      kernels().softmax_gradient(block.data + r * block.cols, block.cols, p.inverse_temperature, logsumexp[row], factor,
                                 out);
      if (target >= 0 && target < block.cols) out[target] += factor;
    }
  });
  return gradients;
}

// dh += dlogits w for one block.
template <class Element>
void add_hidden_gradient(const Problem<Element>& p, const LogitBlock& block, const float* gradients, float* dh) {
  auto* rows = reserve_elements<Element>(scratch().weight_rows, (p.channels + 15) / 16 * 16 * block.cols);
  if (block.row == 0) pack_rows(p.w + block.col * p.channels, p.channels, block.cols, p.channels, rows);
  parallel_gemm(GemmArgsOf<Element>{.a = gradients,
                                    .a_stride = block.cols,
                                    .a_transposed = false,
                                    .b = rows,
                                    .b_group_stride = 16 * block.cols,
                                    .b_row_stride = 16,
                                    .bias = nullptr,
                                    .c = dh + block.row * p.channels,
                                    .c_stride = p.channels,
                                    .rows = block.rows,
                                    .inner = block.cols,
                                    .cols = p.channels,
                                    .accumulate = true});
}

// dw (+)= dlogits^T h for one block; dw points at the chunk's first row.
template <class Element>
void add_weight_gradient(const Problem<Element>& p, const LogitBlock& block, const float* gradients, float* dw) {
  float* rows = reserve_elements<float>(scratch().hidden_rows, (p.channels + 15) / 16 * 16 * block.rows);
  pack_rows(p.h + block.row * p.channels, p.channels, block.rows, p.channels, rows);
  parallel_gemm(GemmArgs{.a = gradients,
                         .a_stride = block.cols,
                         .a_transposed = true,
                         .b = rows,
                         .b_group_stride = 16 * block.rows,
                         .b_row_stride = 16,
                         .bias = nullptr,
                         .c = dw,
                         .c_stride = p.channels,
                         .rows = block.cols,
                         .inner = block.rows,
                         .cols = p.channels,
                         .accumulate = block.row > 0});
}

// dw rows [col, col + cols) as float while their row blocks are summed up; finish() rounds them into a bfloat16 dw.
class WeightGradient {
 public:
  WeightGradient(at::Tensor dw, int64_t channels) : dw_(std::move(dw)), channels_(channels) {}
  float* rows_of(const LogitBlock& block) {
    if (!is_bf16(dw_)) return dw_.mutable_data_ptr<float>() + block.col * channels_;
    return reserve_elements<float>(scratch().weight_gradients, block.cols * channels_);
  }
  void finish(const LogitBlock& block) {
    if (!is_bf16(dw_)) return;
    dw_.narrow(0, block.col, block.cols).copy_(at::from_blob(rows_of(block), {block.cols, channels_}, at::kFloat));
  }

 private:
  at::Tensor dw_;
  int64_t channels_;
};

// dh [R, C] float, zeros on entry; dw [V, C], every row is written. Either may be undefined.
template <class Element>
void backward_rows(const Problem<Element>& p, float* kept, const float* logsumexp, const float* grad,
                   const at::Tensor& dh, const at::Tensor& dw) {
  WeightGradient weight_gradient(dw, p.channels);
  for_blocks(p, kept, Kept::kRead, [&](const LogitBlock& block) {
    const float* gradients = logit_gradients(p, block, logsumexp, grad);
    if (dh.defined()) add_hidden_gradient(p, block, gradients, dh.mutable_data_ptr<float>());
    if (!dw.defined()) return;
    add_weight_gradient(p, block, gradients, weight_gradient.rows_of(block));
    if (block.row + block.rows == p.rows) weight_gradient.finish(block);
  });
}

// Calls visit(Problem) for contiguous float h and contiguous w of either type.
template <class Visit>
void with_problem(const at::Tensor& h, const at::Tensor& w, const at::Tensor& targets, double temperature,
                  const Visit& visit) {
  with_elements(w, [&]<class Element>(const Element* elements) {
    visit(Problem<Element>{h.const_data_ptr<float>(), elements, targets.const_data_ptr<int64_t>(), h.size(0), h.size(1),
                           w.size(0), static_cast<float>(1.0 / temperature)});
  });
}

struct LogProbsFunction : torch::autograd::Function<LogProbsFunction> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& h_in, const at::Tensor& w_in,
                               const at::Tensor& targets, double temperature, bool keep_logits) {
    const at::Tensor h = as_float(h_in.contiguous()), w = w_in.contiguous();
    at::Tensor logprobs = at::empty({h.size(0)}, h.options()), logsumexp = at::empty_like(logprobs),
               entropy = at::empty_like(logprobs);
    const bool keep = keep_logits && h.size(0) * w.size(0) <= kMaxKeptLogits;
    at::Tensor kept = at::empty({keep ? h.size(0) * w.size(0) : 0}, h.options());
    with_problem(h, w, targets, temperature, [&](const auto& problem) {
      forward_rows(problem, keep ? kept.mutable_data_ptr<float>() : nullptr, logprobs.mutable_data_ptr<float>(),
                   logsumexp.mutable_data_ptr<float>(), entropy.mutable_data_ptr<float>());
    });
    ctx->save_for_backward({h_in.contiguous(), w, targets, logsumexp});
    ctx->saved_data["temperature"] = temperature;
    ctx->saved_data["logits"] = kept;
    ctx->mark_non_differentiable({entropy});
    return {logprobs, entropy};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor h = as_float(saved[0]), &w = saved[1], grad = grads[0].contiguous();
    at::Tensor dh, dw;
    if (ctx->needs_input_grad(0)) dh = at::zeros(h.sizes(), h.options());
    if (ctx->needs_input_grad(1)) dw = h.size(0) > 0 ? at::empty(w.sizes(), w.options()) : at::zeros_like(w);
    const at::Tensor kept = ctx->saved_data["logits"].toTensor();
    if (h.size(0) > 0)
      with_problem(h, w, saved[2], ctx->saved_data["temperature"].toDouble(), [&](const auto& problem) {
        backward_rows(problem, kept.numel() > 0 ? kept.mutable_data_ptr<float>() : nullptr,
                      saved[3].const_data_ptr<float>(), grad.const_data_ptr<float>(), dh, dw);
      });
    return {dh.defined() ? like(saved[0], dh) : dh, dw, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// Other dtypes and devices: the same recomputation with ATen operators, in blocks of rows whose fp32 logits take at
// most 256 MB. CUDA: not run on a GPU yet.
struct CompositeLogProbsFunction : torch::autograd::Function<CompositeLogProbsFunction> {
  static int64_t block_rows(const at::Tensor& w) { return std::max<int64_t>(1, (int64_t{1} << 26) / w.size(0)); }
  static at::Tensor scaled_logits(const at::Tensor& h, const at::Tensor& w, double temperature) {
    return at::linear(h, w).to(at::kFloat) / temperature;
  }
  static variable_list forward(AutogradContext* ctx, const at::Tensor& h, const at::Tensor& w,
                               const at::Tensor& targets, double temperature) {
    std::vector<at::Tensor> logprobs, logsumexps, entropies;
    for (int64_t row = 0; row < h.size(0); row += block_rows(w)) {
      const int64_t rows = std::min(block_rows(w), h.size(0) - row);
      const at::Tensor z = scaled_logits(h.narrow(0, row, rows), w, temperature);
      logsumexps.push_back(at::logsumexp(z, 1));
      logprobs.push_back(z.gather(1, targets.narrow(0, row, rows).unsqueeze(1)).squeeze(1) - logsumexps.back());
      entropies.push_back(logsumexps.back() - (at::softmax(z, 1) * z).sum(1));
    }
    const at::Tensor empty = at::empty({0}, h.options().dtype(at::kFloat));
    const auto join = [&](const std::vector<at::Tensor>& parts) {
      return parts.empty() ? empty.clone() : at::cat(parts);
    };
    at::Tensor entropy = join(entropies);
    ctx->save_for_backward({h, w, targets, join(logsumexps)});
    ctx->saved_data["temperature"] = temperature;
    ctx->mark_non_differentiable({entropy});
    return {join(logprobs), entropy};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &h = saved[0], &w = saved[1], &targets = saved[2], &logsumexp = saved[3];
    const double temperature = ctx->saved_data["temperature"].toDouble();
    at::Tensor dh = at::empty_like(h), dw = at::zeros(w.sizes(), w.options().dtype(at::kFloat));
    for (int64_t row = 0; row < h.size(0); row += block_rows(w)) {
      const int64_t rows = std::min(block_rows(w), h.size(0) - row);
      const at::Tensor part = h.narrow(0, row, rows),
                       scale = (grads[0].narrow(0, row, rows) / temperature).unsqueeze(1);
      at::Tensor dz = scaled_logits(part, w, temperature);
      dz = dz.sub_(logsumexp.narrow(0, row, rows).unsqueeze(1)).exp_().mul_(-scale);
      dz.scatter_add_(1, targets.narrow(0, row, rows).unsqueeze(1), scale.to(at::kFloat));
      dz = dz.to(w.scalar_type());
      dh.narrow(0, row, rows).copy_(at::mm(dz, w));
      dw.add_(at::mm(dz.t(), part));
    }
    return {dh, dw.to(w.scalar_type()), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TokenLogProbs token_logprobs(const at::Tensor& h_RC, const at::Tensor& w_VC, const at::Tensor& targets_R,
                             double temperature, bool want_entropy) {
  PROSODIA_CHECK(h_RC.dim() == 2 && w_VC.dim() == 2 && h_RC.size(1) == w_VC.size(1) &&
                     targets_R.numel() == h_RC.size(0) && targets_R.scalar_type() == at::kLong && temperature > 0,
                 "h [{}, {}], w [{}, {}], {} targets, temperature {}", h_RC.size(0), h_RC.size(-1), w_VC.size(0),
                 w_VC.size(-1), targets_R.numel(), temperature);
  const at::Tensor targets = targets_R.to(h_RC.device()).contiguous();
  variable_list result;
  if (on_cpu_kernels(h_RC) && on_cpu_kernels(w_VC)) {
    const int64_t* target = targets.const_data_ptr<int64_t>();
    for (int64_t r = 0; r < targets.numel(); ++r)
      PROSODIA_CHECK(target[r] >= 0 && target[r] < w_VC.size(0), "target {} of {}", target[r], w_VC.size(0));
    result = LogProbsFunction::apply(h_RC, w_VC, targets, temperature, needs_grad(h_RC, w_VC));
  } else {
    result = CompositeLogProbsFunction::apply(h_RC, w_VC, targets, temperature);
  }
  return {result[0], want_entropy ? result[1] : at::Tensor()};
}

}  // namespace prosodia::ops
