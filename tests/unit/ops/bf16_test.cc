// bfloat16 operands on CPU: float32 arithmetic on the widened values, the result rounded once. So they have the row
// invariance of the float32 kernels, on both instruction sets.
#include "tests/unit/ops/testing.h"

namespace prosodia::ops {
namespace {

at::Tensor bf16(const at::Tensor& x) { return x.to(at::kBFloat16); }
at::Tensor bf16_randn(std::vector<int64_t> shape, uint64_t seed, double scale = 1.0) {
  return bf16(randn(std::move(shape), seed, scale));
}

struct Case {
  const char* name;
  std::function<at::Tensor(const Tensors&)> op;
  Tensors inputs;  // bfloat16 values; the first one's rows are the batch
};

std::vector<Case> cases() {
  static const RopeTable table(20, 1e4, 50);
  static const std::vector<AttentionSegment> segments = {{0, 5}, {5, 9, 0, 5}, {9, 12, 0, 5}};
  static const std::vector<RowRange> ranges = {{0, 7}, {7, 12}};
  const at::Tensor positions = at::arange(12, at::TensorOptions().dtype(at::kLong));
  const at::Tensor targets = at::arange(12, at::TensorOptions().dtype(at::kLong)) * 7;
  return {
      {"linear",
       [](const Tensors& in) { return ops::linear(in[0], in[1], in[2]); },
       {bf16_randn({12, 300}, 1), bf16_randn({45, 300}, 2), bf16_randn({45}, 3)}},
      {"layer_norm",
       [](const Tensors& in) { return ops::layer_norm(in[0], in[1], in[2], 1e-5); },
       {bf16_randn({12, 70}, 1), bf16_randn({70}, 2), bf16_randn({70}, 3)}},
      {"gelu", [](const Tensors& in) { return ops::gelu(in[0]); }, {bf16_randn({12, 37}, 1, 3.0)}},
      {"rope", [=](const Tensors& in) { return ops::rope(in[0], positions, table); }, {bf16_randn({12, 3, 20}, 1)}},
      {"attention",
       [](const Tensors& in) { return ops::attention(in[0], in[1], in[2], segments, 0.25); },
       {bf16_randn({12, 4, 20}, 1), bf16_randn({12, 2, 20}, 2), bf16_randn({12, 2, 20}, 3)}},
      {"conv1d",
       [](const Tensors& in) { return ops::conv1d(in[0], in[1], in[2], 2, 1, ranges); },
       {bf16_randn({12, 13}, 1), bf16_randn({18, 13, 3}, 2), bf16_randn({18}, 3)}},
      {"embedding",
       [=](const Tensors& in) { return ops::embedding(positions.remainder(5), in[0]); },
       {bf16_randn({12, 19}, 1)}},
      {"token_logprobs",
       [=](const Tensors& in) { return ops::token_logprobs(in[0], in[1], targets, 0.7, false).logprobs; },
       {bf16_randn({12, 70}, 1), bf16_randn({4200, 70}, 2, 0.2)}},
  };
}

// Output and gradients, all in `dtype`, for an output gradient that bfloat16 holds exactly.
Tensors run(const Case& c, at::ScalarType dtype) {
  Tensors leaves;
  for (const at::Tensor& input : c.inputs) leaves.push_back(input.to(dtype).clone().requires_grad_(true));
  const at::Tensor output = c.op(leaves);
  const at::Tensor grad = bf16_randn(output.sizes().vec(), 9).to(output.scalar_type());
  Tensors results = torch::autograd::grad({output}, leaves, {grad});
  results.insert(results.begin(), output.detach());
  return results;
}

TEST(Bf16, ValuesAndGradientsAreTheFloatOnesRoundedOnce) {
  for (const Case& c : cases()) {
    const Tensors low = run(c, at::kBFloat16), high = run(c, at::kFloat);
    for (size_t i = 0; i < low.size(); ++i)
      EXPECT_TRUE(
          same_bits(low[i].to(high[i].scalar_type()), high[i].to(low[i].scalar_type()).to(high[i].scalar_type())))
          << c.name << (i == 0 ? ", output" : ", gradient of input ") << i;
  }
}

TEST(Bf16, LogProbsStayFloat) {
  EXPECT_EQ(run(cases().back(), at::kBFloat16)[0].scalar_type(), at::kFloat);
  const at::Tensor x = bf16_randn({3, 20}, 1), w = bf16_randn({33, 20}, 2);
  EXPECT_TRUE(same_bits(ops::linear(x.to(at::kFloat), w), ops::linear(x.to(at::kFloat), w.to(at::kFloat))))
      << "float rows through bfloat16 weights are not rounded";
}

// Where a bfloat16 model stores a tensor inside one op of ours: the normalised row, silu(gate).
TEST(Bf16, RmsNormAndSiluMulRoundInTheMiddleToo) {
  const at::Tensor x = bf16_randn({12, 70}, 1), w = bf16_randn({70}, 2), ones = bf16(at::ones({70}));
  const at::Tensor normal = bf16(ops::rms_norm(x.to(at::kFloat), ones.to(at::kFloat), 1e-6));
  EXPECT_TRUE(same_bits(ops::rms_norm(x, w, 1e-6), normal * w));
  const at::Tensor gate = bf16_randn({12, 70}, 3), up = bf16_randn({12, 70}, 4);
  const at::Tensor activated = bf16(ops::silu_mul(gate.to(at::kFloat), at::ones({12, 70})));
  EXPECT_TRUE(same_bits(ops::silu_mul(gate, up), activated * up));
  const Case norm{"", [](const Tensors& in) { return ops::rms_norm(in[0], in[1], 1e-6); }, {x, w}};
  const Case silu{"", [](const Tensors& in) { return ops::silu_mul(in[0], in[1]); }, {gate, up}};
  for (const Case& c : {norm, silu}) {
    const Tensors low = run(c, at::kBFloat16), high = run(c, at::kFloat);
    for (size_t i = 1; i < low.size(); ++i) EXPECT_TRUE(same_bits(low[i], bf16(high[i]))) << "gradient " << i;
  }
}

TEST(Bf16, RowBitsDoNotDependOnTheBatchAndThePackedFormAgrees) {
  for (const int64_t inputs : {1, 37, 64, 300})
    for (const int64_t outputs : {1, 16, 45}) {
      const at::Tensor x = bf16_randn({29, inputs}, 1), w = bf16_randn({outputs, inputs}, 2),
                       b = bf16_randn({outputs}, 3), bias = b.to(at::kFloat);
      const at::Tensor all = ops::linear(x, w, b);
      const LinearPartBf16 part{reinterpret_cast<const Bf16*>(w.const_data_ptr()), bias.const_data_ptr<float>(),
                                outputs};
      PackedLinear packed;
      packed.pack(inputs, std::span(&part, 1));
      const at::Tensor wide = x.to(at::kFloat);
      at::Tensor y = at::empty({29, outputs});
      packed.forward(wide.const_data_ptr<float>(), 29, y.mutable_data_ptr<float>());
      EXPECT_TRUE(same_bits(bf16(y), all)) << inputs << " " << outputs;
      for (int64_t r = 0; r < 29; ++r)
        EXPECT_TRUE(same_bits(ops::linear(x.narrow(0, r, 1).clone(), w, b), all.narrow(0, r, 1))) << "row " << r;
    }
}

TEST(Bf16, BothInstructionSetsGiveTheSameBits) {
  expect_same_bits_on_both_isas([] {
    Tensors all;
    for (const Case& c : cases())
      for (at::Tensor& t : run(c, at::kBFloat16)) all.push_back(t);
    return all;
  });
}

TEST(Bf16, RoundingIsToNearestEvenAndKeepsInfinityAndNan) {
  std::vector<float> x = {1.0f,     1.00390625f, 1.01171875f, -1.00390625f, 3.3e38f, 3.4e38f, -3.4e38f, 1e-40f, 0.0f,
                          INFINITY, -INFINITY,   0.1f,        -0.0f,        1e-38f,  2.5f,    7.0f,     8.1f,   9.9f};
  std::vector<float> y(x.size());
  round_bf16_rows(x.data(), static_cast<int64_t>(x.size()), y.data());
  const at::Tensor expected = bf16(at::tensor(x)).to(at::kFloat);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(y[i], expected[static_cast<int64_t>(i)].item<float>()) << x[i];
  x.assign(17, NAN);
  round_bf16_rows(x.data(), 17, x.data());
  for (const float value : x) EXPECT_TRUE(std::isnan(value));
}

}  // namespace
}  // namespace prosodia::ops
