// Helpers of the ops tests: seeded tensors, bitwise comparison, relative error, gradients against an fp64 ATen
// reference, and a guard that runs a body under both instruction sets.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstring>
#include <functional>
#include <vector>

#include "workers/model/ops/ops.h"

namespace prosodia::ops {

using Tensors = std::vector<at::Tensor>;

// One thread, as the product's processes run; the thread tests set their own number.
inline const bool kSingleThread = (at::set_num_threads(1), true);

// Normal numbers from ATen's generator with a fixed seed.
inline at::Tensor randn(std::vector<int64_t> shape, uint64_t seed, double scale = 1.0) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)) * scale;
}

inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return false;
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

// max |a - b| / max |b|.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  if (b.numel() == 0) return a.numel() == 0 ? 0.0 : 1.0;
  const at::Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  return (x - y).abs().max().item<double>() / std::max(1e-30, y.abs().max().item<double>());
}

// Output and input gradients of `op` for the loss sum(output * weights), weights fixed by a seed.
inline Tensors output_and_gradients(const std::function<at::Tensor(const Tensors&)>& op, const Tensors& inputs,
                                    at::ScalarType dtype) {
  Tensors leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().to(dtype).clone().requires_grad_(true));
  const at::Tensor output = op(leaves);
  const at::Tensor weights = randn(output.sizes().vec(), 12345).to(dtype);
  Tensors results = torch::autograd::grad({(output * weights).sum()}, leaves);
  results.insert(results.begin(), output.detach());
  return results;
}

// op in fp32 against reference in fp64: values and every gradient.
inline void expect_matches(const std::function<at::Tensor(const Tensors&)>& op,
                           const std::function<at::Tensor(const Tensors&)>& reference, const Tensors& inputs,
                           double tolerance = 1e-5) {
  const Tensors actual = output_and_gradients(op, inputs, at::kFloat);
  const Tensors expected = output_and_gradients(reference, inputs, at::kDouble);
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_LE(relative_error(actual[i], expected[i]), tolerance) << (i == 0 ? "output" : "gradient of input ") << i;
}

// Runs body under AVX2 and AVX-512 and expects the same bits (skipped where the CPU has no AVX-512).
inline void expect_same_bits_on_both_isas(const std::function<Tensors()>& body) {
  if (!cpu_supports(Isa::kAvx512)) GTEST_SKIP() << "this CPU has no AVX-512";
  const Isa before = active_isa();
  force_isa(Isa::kAvx2);
  const Tensors narrow = body();
  force_isa(Isa::kAvx512);
  const Tensors wide = body();
  force_isa(before);
  ASSERT_EQ(narrow.size(), wide.size());
  for (size_t i = 0; i < narrow.size(); ++i) EXPECT_TRUE(same_bits(narrow[i], wide[i])) << "tensor " << i;
}

}  // namespace prosodia::ops
