// Log-probabilities of target tokens and entropy, without ever holding [rows, vocabulary].
//
// Vocabulary columns are taken in chunks of kVocabChunk, rows in blocks of kRowBlock; a block of logits (4 MB) is made,
// reduced and forgotten. Backward makes the same blocks again: d logits = g / T (onehot - softmax), then
// dh += dlogits w and dw = dlogits^T h. When all logits together are small (kMaxKeptLogits), forward keeps them, which
// saves backward one of its three products.
#include "workers/model/ops/stats.h"
#include "workers/model/ops/torch_util.h"

namespace prosodia::ops {
namespace {

constexpr int64_t kRowBlock = 256;
constexpr int64_t kMaxKeptLogits = int64_t{1} << 25;  // floats: 128 MB

struct Scratch {
  AlignedBuffer panels, weight_rows, logits, gradients, hidden_rows;
};
Scratch& scratch() {
  thread_local Scratch buffers;
  return buffers;
}

struct Problem {
  const float *h, *w;
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
float* pack_chunk(const Problem& p, int64_t col, int64_t cols) {
  float* panels = scratch().panels.reserve(static_cast<size_t>((cols + 15) / 16 * 16 * p.channels));
  for_row_parts((cols + 15) / 16, 16 * p.channels, [&](int64_t begin, int64_t end) {
    kernels().pack_transposed(p.w + (col + begin * 16) * p.channels, p.channels, std::min(cols, end * 16) - begin * 16,
                              p.channels, panels + begin * 16 * p.channels);
  });
  return panels;
}

void compute_logits(const Problem& p, const float* panels, const LogitBlock& block) {
  parallel_gemm({.a = p.h + block.row * p.channels,
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
template <class Visit>
void for_blocks(const Problem& p, float* kept, Kept mode, const Visit& visit) {
  for (int64_t col = 0; col < p.vocab; col += kVocabChunk) {
    const int64_t cols = std::min(kVocabChunk, p.vocab - col);
    const bool compute = kept == nullptr || mode == Kept::kFill;
    const float* panels = compute ? pack_chunk(p, col, cols) : nullptr;
    float* reused = kept ? nullptr : scratch().logits.reserve(static_cast<size_t>(std::min(kRowBlock, p.rows) * cols));
    for (int64_t row = 0; row < p.rows; row += kRowBlock) {
      const LogitBlock block{kept ? kept + col * p.rows + row * cols : reused, row, std::min(kRowBlock, p.rows - row),
                             col, cols};
      if (compute) compute_logits(p, panels, block);
      visit(block);
    }
  }
}

// Fills logprobs, logsumexp and entropy, each [R].
void forward_rows(const Problem& p, float* kept, float* logprobs, float* logsumexp, float* entropy) {
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
float* logit_gradients(const Problem& p, const LogitBlock& block, const float* logsumexp, const float* grad) {
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

// dh: zeros on entry. dw: every row is written by the first row block of its chunk. Either may be null.
void backward_rows(const Problem& p, float* kept, const float* logsumexp, const float* grad, float* dh, float* dw) {
  for_blocks(p, kept, Kept::kRead, [&](const LogitBlock& block) {
    const float* gradients = logit_gradients(p, block, logsumexp, grad);
    GemmArgs args{.a = gradients, .a_stride = block.cols, .b_row_stride = 16, .bias = nullptr};
    if (dh) {
      float* rows = scratch().weight_rows.reserve(static_cast<size_t>((p.channels + 15) / 16 * 16 * block.cols));
      if (block.row == 0) kernels().pack_rows(p.w + block.col * p.channels, p.channels, block.cols, p.channels, rows);
      args.b = rows;
      args.b_group_stride = 16 * block.cols;
      args.c = dh + block.row * p.channels;
      args.c_stride = p.channels;
      args.rows = block.rows;
      args.inner = block.cols;
      args.cols = p.channels;
      args.accumulate = true;
      parallel_gemm(args);
    }
    if (dw) {
      float* rows = scratch().hidden_rows.reserve(static_cast<size_t>((p.channels + 15) / 16 * 16 * block.rows));
      kernels().pack_rows(p.h + block.row * p.channels, p.channels, block.rows, p.channels, rows);
      args.a_transposed = true;
      args.b = rows;
      args.b_group_stride = 16 * block.rows;
      args.c = dw + block.col * p.channels;
      args.c_stride = p.channels;
      args.rows = block.cols;
      args.inner = block.rows;
      args.cols = p.channels;
      args.accumulate = block.row > 0;
      parallel_gemm(args);
    }
  });
}

Problem problem_of(const at::Tensor& h, const at::Tensor& w, const at::Tensor& targets, double temperature) {
  return {h.const_data_ptr<float>(),
          w.const_data_ptr<float>(),
          targets.const_data_ptr<int64_t>(),
          h.size(0),
          h.size(1),
          w.size(0),
          static_cast<float>(1.0 / temperature)};
}

struct LogProbsFunction : torch::autograd::Function<LogProbsFunction> {
  static variable_list forward(AutogradContext* ctx, const at::Tensor& h_in, const at::Tensor& w_in,
                               const at::Tensor& targets, double temperature, bool keep_logits) {
    const at::Tensor h = h_in.contiguous(), w = w_in.contiguous();
    at::Tensor logprobs = at::empty({h.size(0)}, h.options()), logsumexp = at::empty_like(logprobs),
               entropy = at::empty_like(logprobs);
    const bool keep = keep_logits && h.size(0) * w.size(0) <= kMaxKeptLogits;
    at::Tensor kept = at::empty({keep ? h.size(0) * w.size(0) : 0}, h.options());
    forward_rows(problem_of(h, w, targets, temperature), keep ? kept.mutable_data_ptr<float>() : nullptr,
                 logprobs.mutable_data_ptr<float>(), logsumexp.mutable_data_ptr<float>(),
                 entropy.mutable_data_ptr<float>());
    ctx->save_for_backward({h, w, targets, logsumexp});
    ctx->saved_data["temperature"] = temperature;
    ctx->saved_data["logits"] = kept;
    ctx->mark_non_differentiable({entropy});
    return {logprobs, entropy};
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &h = saved[0], &w = saved[1], grad = grads[0].contiguous();
    at::Tensor dh, dw;
    if (ctx->needs_input_grad(0)) dh = at::zeros(h.sizes(), h.options());
    if (ctx->needs_input_grad(1)) dw = h.size(0) > 0 ? at::empty(w.sizes(), w.options()) : at::zeros_like(w);
    const at::Tensor kept = ctx->saved_data["logits"].toTensor();
    backward_rows(problem_of(h, w, saved[2], ctx->saved_data["temperature"].toDouble()),
                  kept.numel() > 0 ? kept.mutable_data_ptr<float>() : nullptr, saved[3].const_data_ptr<float>(),
                  grad.const_data_ptr<float>(), dh.defined() ? dh.mutable_data_ptr<float>() : nullptr,
                  dw.defined() && h.size(0) > 0 ? dw.mutable_data_ptr<float>() : nullptr);
    return {dh, dw, at::Tensor(), at::Tensor(), at::Tensor()};
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
  if (is_fp32_cpu(h_RC) && is_fp32_cpu(w_VC)) {
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
