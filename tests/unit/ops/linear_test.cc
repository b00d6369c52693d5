
#include "tests/unit/ops/testing.h"

namespace prosodia::ops {
namespace {

struct Size {
  int64_t rows, inputs, outputs;
};
const std::vector<Size> kSizes = {{1, 1, 1}, {3, 5, 7}, {13, 20, 33}, {64, 128, 384}, {97, 300, 50}, {200, 513, 47}};

at::Tensor reference(const Tensors& in) { return at::linear(in[0], in[1], in[2]); }
at::Tensor ours(const Tensors& in) { return ops::linear(in[0], in[1], in[2]); }

TEST(Linear, MatchesFp64ValuesAndGradients) {
  for (const auto& [rows, inputs, outputs] : kSizes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << inputs << "x" << outputs);
    expect_matches(ours, reference, {randn({rows, inputs}, 1), randn({outputs, inputs}, 2), randn({outputs}, 3)});
  }
}

TEST(Linear, WorksWithoutBiasWithLeadingDimensionsAndStridedRows) {
  const at::Tensor wide = randn({4, 6, 40}, 1), w = randn({10, 20}, 2);
  const at::Tensor x = wide.narrow(2, 7, 20);
  expect_matches([](const Tensors& in) { return ops::linear(in[0].narrow(2, 7, 20), in[1]); },
                 [](const Tensors& in) { return at::linear(in[0].narrow(2, 7, 20), in[1]); }, {wide, w});
  EXPECT_TRUE(same_bits(ops::linear(x, w), ops::linear(x.contiguous(), w)));
  EXPECT_EQ(ops::linear(at::empty({0, 20}), w).sizes(), at::IntArrayRef({0, 10}));
}

TEST(Linear, RowBitsDoNotDependOnTheBatch) {
  for (const auto& [rows, inputs, outputs] : kSizes) {
    const at::Tensor x = randn({rows, inputs}, 4), w = randn({outputs, inputs}, 5), b = randn({outputs}, 6);
    const at::Tensor all = ops::linear(x, w, b);
    const PackedLinear packed = pack_linear(w, b);
    for (int64_t r = 0; r < rows; ++r) {
      const at::Tensor row = x.narrow(0, r, 1).clone();
      EXPECT_TRUE(same_bits(ops::linear(row, w, b), all.narrow(0, r, 1))) << "row " << r << " alone";
      at::Tensor y = at::empty({1, outputs});
      packed.forward(row.const_data_ptr<float>(), 1, y.mutable_data_ptr<float>());
      EXPECT_TRUE(same_bits(y, all.narrow(0, r, 1))) << "row " << r << " packed";
    }
    // One row at every place of a crowd, for every tile height.
    for (int64_t crowd = 1; crowd <= 30; ++crowd) {
      const at::Tensor same = ops::linear(x.narrow(0, 0, 1).repeat({crowd, 1}), w, b);
      EXPECT_TRUE(same_bits(same, all.narrow(0, 0, 1).repeat({crowd, 1}))) << "crowd of " << crowd;
    }
  }
}

TEST(Linear, MergedPartsKeepTheirBits) {
  const int64_t inputs = 37, rows = 9;
  const at::Tensor x = randn({rows, inputs}, 1), w1 = randn({20, inputs}, 2), w2 = randn({5, inputs}, 3),
                   w3 = randn({44, inputs}, 4), b1 = randn({20}, 5), b3 = randn({44}, 6);
  const std::vector<LinearPart> parts = {{w1.const_data_ptr<float>(), b1.const_data_ptr<float>(), 20},
                                         {w2.const_data_ptr<float>(), nullptr, 5},
                                         {w3.const_data_ptr<float>(), b3.const_data_ptr<float>(), 44}};
  PackedLinear merged(inputs, parts);
  merged.pack(inputs, parts);  // packing again reuses the memory
  at::Tensor y = at::empty({rows, 69});
  merged.forward(x.const_data_ptr<float>(), rows, y.mutable_data_ptr<float>());
  EXPECT_TRUE(same_bits(y.narrow(1, 0, 20), ops::linear(x, w1, b1)));
  // The unbiased part gets "+ 0", which changes no bits (a sum is never -0 here).
  EXPECT_TRUE(same_bits(y.narrow(1, 20, 5), ops::linear(x, w2)));
  EXPECT_TRUE(same_bits(y.narrow(1, 25, 44), ops::linear(x, w3, b3)));
}

TEST(Linear, BothInstructionSetsGiveTheSameBits) {
  expect_same_bits_on_both_isas([] {
    Tensors all;
    for (const auto& [rows, inputs, outputs] : kSizes)
      for (at::Tensor& t : output_and_gradients(
               ours, {randn({rows, inputs}, 1), randn({outputs, inputs}, 2), randn({outputs}, 3)}, at::kFloat))
        all.push_back(t);
    return all;
  });
}

TEST(Linear, ThreadsDoNotChangeBits) {
  const Tensors inputs = {randn({400, 130}, 1), randn({290, 130}, 2), randn({290}, 3)};
  const Tensors few_rows = {randn({7, 600}, 1), randn({900, 600}, 2), randn({900}, 3)};
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Tensors one = output_and_gradients(ours, inputs, at::kFloat),
                few = output_and_gradients(ours, few_rows, at::kFloat);
  at::set_num_threads(3);
  const Tensors three = output_and_gradients(ours, inputs, at::kFloat),
                few3 = output_and_gradients(ours, few_rows, at::kFloat);
  at::set_num_threads(before);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(same_bits(one[i], three[i]));
    EXPECT_TRUE(same_bits(few[i], few3[i]));
  }
}

}  // namespace
}  // namespace prosodia::ops
