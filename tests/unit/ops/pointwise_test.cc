// Norms, rope, activations, embedding.

#include "tests/unit/ops/testing.h"

namespace prosodia::ops {
namespace {

const std::vector<int64_t> kWidths = {1, 5, 16, 20, 24, 63, 64, 80, 128, 200, 1280};

at::Tensor rms_reference(const Tensors& in) { return in[0] * at::rsqrt(in[0].square().mean(-1, true) + 1e-6) * in[1]; }

TEST(RmsNorm, MatchesFp64) {
  for (const int64_t width : kWidths) {
    if (width == 1) continue;  // the output is the sign of x
    expect_matches([](const Tensors& in) { return ops::rms_norm(in[0], in[1], 1e-6); }, rms_reference,
                   {randn({85, width}, 1), randn({width}, 2)});
  }
  // More rows than one gradient chunk.
  expect_matches([](const Tensors& in) { return ops::rms_norm(in[0], in[1], 1e-6); }, rms_reference,
                 {randn({700, 20}, 1), randn({20}, 2)});
}

TEST(LayerNorm, MatchesFp64) {
  for (const int64_t width : kWidths) {
    if (width == 1) continue;  // the output does not depend on x
    expect_matches([](const Tensors& in) { return ops::layer_norm(in[0], in[1], in[2], 1e-5); },
                   [](const Tensors& in) { return at::layer_norm(in[0], in[1].sizes(), in[1], in[2], 1e-5); },
                   {randn({300, width}, 1) + 3.0, randn({width}, 2), randn({width}, 3)}, 2e-5);
  }
}

TEST(Gelu, MatchesFp64) {
  const at::Tensor x = at::cat({at::linspace(-9, 9, 4001), at::tensor({0.0f, -0.0f, 30.0f, -30.0f, 1e20f, -1e20f})});
  expect_matches([](const Tensors& in) { return ops::gelu(in[0]); }, [](const Tensors& in) { return at::gelu(in[0]); },
                 {x.narrow(0, 0, 4001)}, 1e-6);
  const at::Tensor exact = at::gelu(x.to(at::kDouble));
  EXPECT_LE((ops::gelu(x.narrow(0, 0, 4001)) - exact.narrow(0, 0, 4001)).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(ops::gelu(x).isfinite().all().item<bool>());
}

TEST(SiluMul, MatchesFp64IncludingExtremes) {
  expect_matches([](const Tensors& in) { return ops::silu_mul(in[0], in[1]); },
                 [](const Tensors& in) { return at::silu(in[0]) * in[1]; },
                 {randn({31, 37}, 1, 5.0), randn({31, 37}, 2)});
  const at::Tensor gate = at::tensor({-1000.0f, -100.0f, 100.0f, 1000.0f}), ones = at::ones({4});
  EXPECT_LE((ops::silu_mul(gate, ones) - at::silu(gate)).abs().max().item<float>(), 1e-30f);
  EXPECT_TRUE(ops::silu_mul(at::full({17}, NAN), at::ones({17})).isnan().all().item<bool>());
}

TEST(SiluMul, ReadsTheHalvesOfAMergedProjection) {
  const at::Tensor merged = randn({9, 40}, 1);
  const at::Tensor gate = merged.narrow(1, 0, 20), up = merged.narrow(1, 20, 20);
  EXPECT_TRUE(same_bits(ops::silu_mul(gate, up), ops::silu_mul(gate.contiguous(), up.contiguous())));
}

at::Tensor rope_reference(const at::Tensor& x, const at::Tensor& positions, const RopeTable& table) {
  const auto rows = [&](const at::Tensor& half) {
    return at::cat({half, half}, 1).index_select(0, positions).unsqueeze(1).to(x.options());
  };
  const int64_t half = x.size(2) / 2;
  return x * rows(table.cos()) + at::cat({-x.narrow(2, half, half), x.narrow(2, 0, half)}, 2) * rows(table.sin());
}

TEST(Rope, MatchesFp64) {
  for (const int64_t dim : {2, 20, 24, 32, 64, 80, 128}) {
    const RopeTable table(dim, 1e6, 600);
    const at::Tensor positions = at::tensor(std::vector<int64_t>{0, 1, 5, 599, 17});
    expect_matches([&](const Tensors& in) { return ops::rope(in[0], positions, table); },
                   [&](const Tensors& in) { return rope_reference(in[0], positions, table); }, {randn({5, 3, dim}, 1)},
                   1e-6);
  }
}

TEST(Rope, TableHasTheAnglesOfTheFormula) {
  const RopeTable table(128, 1e6, 4096);
  for (const int64_t position : {0, 1, 100, 4095})
    for (const int64_t j : {0, 1, 17, 63}) {
      const double angle = static_cast<double>(position) * std::pow(1e6, -2.0 * static_cast<double>(j) / 128.0);
      EXPECT_NEAR(table.cos()[position][j].item<double>(), std::cos(angle), 5e-4) << position << " " << j;
      EXPECT_NEAR(table.sin()[position][j].item<double>(), std::sin(angle), 5e-4) << position << " " << j;
    }
}

TEST(Embedding, GradientSumsRepeatedIds) {
  const at::Tensor ids = at::tensor(std::vector<int64_t>{3, 0, 3, 3, 6});
  expect_matches([&](const Tensors& in) { return ops::embedding(ids, in[0]); },
                 [&](const Tensors& in) { return at::embedding(in[0], ids); }, {randn({7, 19}, 1)}, 1e-6);
}

Tensors every_row_op(const at::Tensor& x, const at::Tensor& y, const at::Tensor& w, const at::Tensor& b) {
  return {ops::rms_norm(x, w, 1e-6), ops::layer_norm(x, w, b, 1e-5), ops::gelu(x), ops::silu_mul(x, y)};
}

TEST(RowOps, BitsDoNotDependOnTheBatchAndRawKernelsAgree) {
  for (const int64_t width : kWidths) {
    const int64_t rows = 11;
    const at::Tensor x = randn({rows, width}, 1), y = randn({rows, width}, 2), w = randn({width}, 3),
                     b = randn({width}, 4);
    const Tensors all = every_row_op(x, y, w, b);
    for (int64_t r = 0; r < rows; ++r) {
      const at::Tensor row = x.narrow(0, r, 1).clone(), other = y.narrow(0, r, 1).clone();
      const Tensors alone = every_row_op(row, other, w, b);
      for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(same_bits(alone[i], all[i].narrow(0, r, 1)));
      at::Tensor raw = at::empty({4, width});
      float* out = raw.mutable_data_ptr<float>();
      const float* in = row.const_data_ptr<float>();
      rms_norm_rows(in, width, 1, width, w.const_data_ptr<float>(), 1e-6f, out, width);
      layer_norm_rows(in, width, 1, width, w.const_data_ptr<float>(), b.const_data_ptr<float>(), 1e-5f, out + width,
                      width);
      gelu_rows(in, width, out + 2 * width);
      silu_mul_rows(in, width, other.const_data_ptr<float>(), width, 1, width, out + 3 * width, width);
      for (int64_t i = 0; i < 4; ++i)
        EXPECT_TRUE(same_bits(raw.narrow(0, i, 1), all[static_cast<size_t>(i)].narrow(0, r, 1)));
    }
  }
}

TEST(RowOps, RopeRowsInPlaceHasTheTensorOpsBits) {
  for (const int64_t dim : {20, 64}) {
    const RopeTable table(dim, 1e4, 50);
    const at::Tensor x = randn({6, 2, dim}, 1), positions = at::tensor(std::vector<int64_t>{4, 49, 0, 7, 7, 1});
    at::Tensor copy = x.clone();
    rope_rows(copy.const_data_ptr<float>(), 2 * dim, 6, 2, dim, positions.const_data_ptr<int64_t>(), table.cos_data(),
              table.sin_data(), copy.mutable_data_ptr<float>(), 2 * dim);
    EXPECT_TRUE(same_bits(copy, ops::rope(x, positions, table)));
  }
}

TEST(RowOps, BothInstructionSetsGiveTheSameBits) {
  expect_same_bits_on_both_isas([] {
    Tensors all;
    for (const int64_t width : kWidths) {
      const Tensors inputs = {randn({300, width}, 1), randn({300, width}, 2), randn({width}, 3), randn({width}, 4)};
      const auto op = [](const Tensors& in) { return at::cat(every_row_op(in[0], in[1], in[2], in[3]), 0); };
      for (at::Tensor& t : output_and_gradients(op, inputs, at::kFloat)) all.push_back(t);
    }
    const RopeTable table(20, 1e4, 50);
    const at::Tensor positions = at::arange(6, at::TensorOptions().dtype(at::kLong));
    const auto op = [&](const Tensors& in) { return ops::rope(in[0], positions, table); };
    for (at::Tensor& t : output_and_gradients(op, {randn({6, 3, 20}, 1)}, at::kFloat)) all.push_back(t);
    return all;
  });
}

TEST(RowOps, ThreadsDoNotChangeBits) {
  const Tensors inputs = {randn({3000, 70}, 1), randn({3000, 70}, 2), randn({70}, 3), randn({70}, 4)};
  const auto op = [](const Tensors& in) { return at::cat(every_row_op(in[0], in[1], in[2], in[3]), 0); };
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Tensors one = output_and_gradients(op, inputs, at::kFloat);
  at::set_num_threads(3);
  const Tensors three = output_and_gradients(op, inputs, at::kFloat);
  at::set_num_threads(before);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], three[i]));
}

}  // namespace
}  // namespace prosodia::ops
