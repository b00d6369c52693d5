// Attention, norms, activations and token log-probabilities against their ATen counterparts, one thread, forward and
// backward.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "workers/model/ops/ops.h"

namespace prosodia::ops {
namespace {

using Tensors = std::vector<at::Tensor>;

template <class Op>
void run(benchmark::State& state, Tensors inputs, const Op& op) {
  at::set_num_threads(1);
  for (at::Tensor& input : inputs) input.requires_grad_(true);
  const at::Tensor weights = at::randn(op(inputs).sizes());
  for (auto _ : state) benchmark::DoNotOptimize(torch::autograd::grad({op(inputs)}, inputs, {weights}));
}

// 16 sequences of `length` tokens, 8 heads over 2 kv heads.
constexpr int64_t kSequences = 16, kHeads = 8, kKvHeads = 2;

void AttentionAten(benchmark::State& state) {
  const int64_t length = state.range(0), dim = state.range(1);
  run(state,
      {at::randn({kSequences, kHeads, length, dim}), at::randn({kSequences, kKvHeads, length, dim}),
       at::randn({kSequences, kKvHeads, length, dim})},
      [](const Tensors& in) {
        const int64_t group = kHeads / kKvHeads;
        return at::scaled_dot_product_attention(in[0], in[1].repeat_interleave(group, 1),
                                                in[2].repeat_interleave(group, 1), {}, 0.0, true);
      });
}
void AttentionOps(benchmark::State& state) {
  const int64_t length = state.range(0), dim = state.range(1), tokens = kSequences * length;
  std::vector<AttentionSegment> segments;
  for (int64_t i = 0; i < kSequences; ++i) segments.push_back({i * length, (i + 1) * length});
  run(state, {at::randn({tokens, kHeads, dim}), at::randn({tokens, kKvHeads, dim}), at::randn({tokens, kKvHeads, dim})},
      [&](const Tensors& in) {
        return ops::attention(in[0], in[1], in[2], segments, 1.0 / std::sqrt(static_cast<double>(dim)));
      });
}
BENCHMARK(AttentionAten)->Args({128, 32})->Args({128, 64})->Args({512, 64});
BENCHMARK(AttentionOps)->Args({128, 32})->Args({128, 64})->Args({512, 64});

void LogProbsAten(benchmark::State& state) {
  const int64_t rows = state.range(0), channels = state.range(1), vocab = state.range(2);
  const at::Tensor targets = at::randint(vocab, {rows});
  run(state, {at::randn({rows, channels}), at::randn({vocab, channels}) * 0.05}, [&](const Tensors& in) {
    return at::log_softmax(at::linear(in[0], in[1]), 1).gather(1, targets.unsqueeze(1)).squeeze(1);
  });
}
void LogProbsOps(benchmark::State& state) {
  const int64_t rows = state.range(0), channels = state.range(1), vocab = state.range(2);
  const at::Tensor targets = at::randint(vocab, {rows});
  run(state, {at::randn({rows, channels}), at::randn({vocab, channels}) * 0.05},
      [&](const Tensors& in) { return ops::token_logprobs(in[0], in[1], targets, 1.0, false).logprobs; });
}
BENCHMARK(LogProbsAten)->Args({2048, 128, 2048})->Args({1024, 512, 8192});
BENCHMARK(LogProbsOps)->Args({2048, 128, 2048})->Args({1024, 512, 8192});

void RmsNormAten(benchmark::State& state) {
  run(state, {at::randn({4096, state.range(0)}), at::randn({state.range(0)})},
      [](const Tensors& in) { return in[0] * at::rsqrt(in[0].square().mean(-1, true) + 1e-6) * in[1]; });
}
void RmsNormOps(benchmark::State& state) {
  run(state, {at::randn({4096, state.range(0)}), at::randn({state.range(0)})},
      [](const Tensors& in) { return ops::rms_norm(in[0], in[1], 1e-6); });
}
BENCHMARK(RmsNormAten)->Arg(128)->Arg(512);
BENCHMARK(RmsNormOps)->Arg(128)->Arg(512);

void SiluMulAten(benchmark::State& state) {
  run(state, {at::randn({4096, 384}), at::randn({4096, 384})},
      [](const Tensors& in) { return at::silu(in[0]) * in[1]; });
}
void SiluMulOps(benchmark::State& state) {
  run(state, {at::randn({4096, 384}), at::randn({4096, 384})},
      [](const Tensors& in) { return ops::silu_mul(in[0], in[1]); });
}
BENCHMARK(SiluMulAten);
BENCHMARK(SiluMulOps);
void GeluAten(benchmark::State& state) {
  run(state, {at::randn({4096, 384})}, [](const Tensors& in) { return at::gelu(in[0]); });
}
void GeluOps(benchmark::State& state) {
  run(state, {at::randn({4096, 384})}, [](const Tensors& in) { return ops::gelu(in[0]); });
}
BENCHMARK(GeluAten);
BENCHMARK(GeluOps);

// Decode: 64 rows in groups of 8 with a shared prompt of 100 positions and 50 own ones.
void AttendRowsCached(benchmark::State& state) {
  const KvLayout layout{2, 64};
  const int64_t heads = 8, capacity = 112, rows = 64;
  AlignedBuffer slabs(static_cast<size_t>(layout.floats(capacity) * (rows + 8)));
  for (int64_t i = 0; i < rows + 8; ++i) kv_clear(layout, slabs.data() + i * layout.floats(capacity), capacity);
  std::vector<KvView> views;
  for (int64_t r = 0; r < rows; ++r)
    views.push_back({{slabs.data() + (rows + r / 8) * layout.floats(capacity), capacity, 100},
                     {slabs.data() + r * layout.floats(capacity), capacity, 50}});
  const at::Tensor q = at::randn({rows, heads * 64});
  at::Tensor out = at::empty_like(q);
  for (auto _ : state) {
    attend_rows_cached(layout, heads, 0.125f, q.const_data_ptr<float>(), heads * 64, views,
                       out.mutable_data_ptr<float>(), heads * 64);
    benchmark::ClobberMemory();
  }
  state.counters["GFLOPS"] =
      benchmark::Counter(4.0 * 64 * heads * rows * 150 * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(AttendRowsCached);

}  // namespace
}  // namespace prosodia::ops
