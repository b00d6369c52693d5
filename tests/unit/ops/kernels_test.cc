// The raw kernels without LibTorch: elementary functions against libm, exactness of the FMA chain, products against
// fp64.
#include "workers/model/ops/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "data/base/philox.h"

namespace prosodia::ops {
namespace {

std::vector<float> numbers(size_t count, uint64_t seed) {
  PhiloxStream stream(seed);
  std::vector<float> values(count);
  for (float& value : values) value = stream.next_normal();
  return values;
}

class Kernels : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!cpu_supports(GetParam())) GTEST_SKIP() << "not supported by this CPU";
    force_isa(GetParam());
  }
};

TEST_P(Kernels, LinearIsOneSequentialFmaChain) {
  for (const int64_t rows : {1, 2, 5, 13, 100})
    for (const int64_t inputs : {1, 7, 256, 300})
      for (const int64_t outputs : {1, 16, 35, 130}) {
        const auto x = numbers(rows * inputs, 1), w = numbers(outputs * inputs, 2), b = numbers(outputs, 3);
        std::vector<float> y(rows * outputs);
        PackedLinear(w.data(), b.data(), outputs, inputs).forward(x.data(), rows, y.data());
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t n = 0; n < outputs; ++n) {
            float chain = 0;
            for (int64_t k = 0; k < inputs; ++k) chain = std::fma(x[r * inputs + k], w[n * inputs + k], chain);
            ASSERT_EQ(y[r * outputs + n], chain + b[n]) << rows << " " << inputs << " " << outputs;
          }
      }
}

TEST_P(Kernels, StridedLinearWritesOnlyItsColumns) {
  const int64_t rows = 14, inputs = 9, outputs = 21;
  const auto x = numbers(rows * 12, 1), w = numbers(outputs * inputs, 2);
  std::vector<float> y(rows * 30, 77.0f);
  PackedLinear(w.data(), nullptr, outputs, inputs).forward(x.data(), rows, y.data(), 12, 30);
  for (int64_t r = 0; r < rows; ++r) {
    float chain = 0;
    for (int64_t k = 0; k < inputs; ++k) chain = std::fma(x[r * 12 + k], w[20 * inputs + k], chain);
    EXPECT_EQ(y[r * 30 + 20], chain);
    for (int64_t n = outputs; n < 30; ++n) EXPECT_EQ(y[r * 30 + n], 77.0f);
  }
}

TEST_P(Kernels, MatmulFormsMatchFp64) {
  const int64_t rows = 27, inner = 70, cols = 43;
  const auto a = numbers(rows * inner, 1), b = numbers(inner * cols, 2), start = numbers(rows * cols, 3);
  std::vector<float> at(inner * rows), bt(cols * inner);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < inner; ++k) at[k * rows + r] = a[r * inner + k];
  for (int64_t k = 0; k < inner; ++k)
    for (int64_t n = 0; n < cols; ++n) bt[n * inner + k] = b[k * cols + n];
  for (const Accumulate accumulate : {Accumulate::kNo, Accumulate::kYes}) {
    std::vector<float> plain = start, b_transposed = start, a_transposed = start;
    matmul(a.data(), inner, b.data(), cols, plain.data(), cols, rows, inner, cols, accumulate);
    matmul_b_transposed(a.data(), inner, bt.data(), inner, b_transposed.data(), cols, rows, inner, cols, accumulate);
    matmul_a_transposed(at.data(), rows, b.data(), cols, a_transposed.data(), cols, rows, inner, cols, accumulate);
    EXPECT_EQ(plain, b_transposed);
    EXPECT_EQ(plain, a_transposed);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t n = 0; n < cols; ++n) {
        double sum = accumulate == Accumulate::kYes ? start[r * cols + n] : 0.0;
        for (int64_t k = 0; k < inner; ++k) sum += static_cast<double>(a[r * inner + k]) * b[k * cols + n];
        ASSERT_NEAR(plain[r * cols + n], sum, 1e-4);
      }
  }
}

TEST_P(Kernels, ExpIsWithinTwoUlp) {
  std::vector<float> x, y;
  for (double value = -87.3; value < 88.3; value += 0.00731) x.push_back(static_cast<float>(value));
  y.resize(x.size());
  exp_rows(x.data(), static_cast<int64_t>(x.size()), 1.0f, 0.0f, y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    ASSERT_NEAR(y[i] / exact, 1.0, 2.4e-7) << x[i];
  }
  const std::vector<float> special = {0.0f, -INFINITY, -1000.0f, NAN, 1000.0f};
  std::vector<float> out(special.size());
  exp_rows(special.data(), 5, 1.0f, 0.0f, out.data());
  EXPECT_EQ(out[0], 1.0f);
  EXPECT_EQ(out[1], 0.0f);
  EXPECT_EQ(out[2], 0.0f);
  EXPECT_TRUE(std::isnan(out[3]));
  EXPECT_GT(out[4], 1e38f);
}

TEST_P(Kernels, GeluKeepsTheErrorOfErfSmall) {
  std::vector<float> x, y;
  for (double value = -6; value < 6; value += 0.00037) x.push_back(static_cast<float>(value));
  y.resize(x.size());
  gelu_rows(x.data(), static_cast<int64_t>(x.size()), y.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double exact = 0.5 * x[i] * (1.0 + std::erf(x[i] / std::sqrt(2.0)));
    ASSERT_NEAR(y[i], exact, 1.5e-7 * (1.0 + std::abs(x[i]))) << x[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, Kernels, testing::Values(Isa::kAvx2, Isa::kAvx512),
                         [](const auto& info) { return info.param == Isa::kAvx2 ? "Avx2" : "Avx512"; });

TEST(AlignedBuffer, GrowsAndIsAligned) {
  AlignedBuffer buffer;
  float* small = buffer.reserve(10);
  EXPECT_EQ(buffer.reserve(5), small);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.reserve(1000)) % 64, 0u);
  EXPECT_GE(buffer.capacity(), 1000u);
}

TEST(PackedLinearDeath, RefusesEmptyParts) { EXPECT_DEATH(PackedLinear(nullptr, nullptr, 4, 4), "outputs 4"); }

}  // namespace
}  // namespace prosodia::ops
