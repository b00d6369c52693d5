// ops::linear and its packed form against at::linear (MKL), one thread. The counter is GFLOP/s.
// Run: ops_bench --benchmark_filter=Linear --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include "workers/model/ops/ops.h"

namespace prosodia::ops {
namespace {

const bool kSingleThread = (at::set_num_threads(1), true);

struct Problem {
  explicit Problem(const benchmark::State& state)
      : rows(state.range(0)),
        inputs(state.range(1)),
        outputs(state.range(2)),
        x(at::randn({rows, inputs})),
        w(at::randn({outputs, inputs})) {}
  int64_t rows, inputs, outputs;
  at::Tensor x, w;
  void report(benchmark::State& state, double passes = 1) const {
    const double flops = 2.0 * passes * static_cast<double>(rows * inputs * outputs);
    state.counters["GFLOPS"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  }
};

void LinearAten(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const Problem p(state);
  for (auto _ : state) benchmark::DoNotOptimize(at::linear(p.x, p.w));
  p.report(state);
}

void LinearOps(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const Problem p(state);
  for (auto _ : state) benchmark::DoNotOptimize(ops::linear(p.x, p.w));
  p.report(state);
}

void LinearPacked(benchmark::State& state) {
  const Problem p(state);
  const PackedLinear packed = pack_linear(p.w);
  at::Tensor y = at::empty({p.rows, p.outputs});
  for (auto _ : state) {
    packed.forward(p.x.const_data_ptr<float>(), p.rows, y.mutable_data_ptr<float>());
    benchmark::ClobberMemory();
  }
  p.report(state);
}

void LinearPackedAvx2(benchmark::State& state) {
  const Isa before = active_isa();
  force_isa(Isa::kAvx2);
  LinearPacked(state);
  force_isa(before);
}

template <class Op>
void forward_and_backward(benchmark::State& state, const Op& op) {
  Problem p(state);
  p.x.requires_grad_(true);
  p.w.requires_grad_(true);
  const at::Tensor dy = at::randn({p.rows, p.outputs});
  for (auto _ : state) benchmark::DoNotOptimize(torch::autograd::grad({op(p.x, p.w)}, {p.x, p.w}, {dy}));
  p.report(state, 3);
}
void LinearBackwardAten(benchmark::State& state) {
  forward_and_backward(state, [](const at::Tensor& x, const at::Tensor& w) { return at::linear(x, w); });
}
void LinearBackwardOps(benchmark::State& state) {
  forward_and_backward(state, [](const at::Tensor& x, const at::Tensor& w) { return ops::linear(x, w); });
}

void shapes(benchmark::internal::Benchmark* bench) {
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{1, 512, 2048},
                                                                             {8, 512, 2048},
                                                                             {64, 128, 384},
                                                                             {64, 512, 2048},
                                                                             {4096, 128, 384},
                                                                             {4096, 512, 512},
                                                                             {8000, 128, 512}})
    bench->Args(shape);
}
BENCHMARK(LinearAten)->Apply(shapes);
BENCHMARK(LinearOps)->Apply(shapes);
BENCHMARK(LinearPacked)->Apply(shapes);
BENCHMARK(LinearPackedAvx2)->Apply(shapes);
void training_shapes(benchmark::internal::Benchmark* bench) {
  bench->Args({4096, 128, 384})->Args({4096, 512, 512})->Args({2048, 512, 1536});
}
BENCHMARK(LinearBackwardAten)->Apply(training_shapes);
BENCHMARK(LinearBackwardOps)->Apply(training_shapes);

}  // namespace
}  // namespace prosodia::ops
