#include "workers/learner/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>

namespace prosodia {
namespace {

std::vector<NamedParameter> make_parameters(at::ScalarType dtype = at::kFloat) {
  const auto values = at::arange(12, at::kFloat).view({3, 4}).mul(0.1).to(dtype);
  return {{"w", values.clone().requires_grad_()}, {"b", at::ones({4}, dtype).requires_grad_()}};
}

Result<double> train_one(AdamW& optimizer, double factor, double learning_rate = 1e-2) {
  optimizer.zero_grad();
  for (const auto& parameter : optimizer.parameters())
    (parameter.tensor.to(at::kFloat).square().sum() * factor).backward();
  return optimizer.step(learning_rate);
}

class AdamWDtypes : public testing::TestWithParam<at::ScalarType> {};
INSTANTIATE_TEST_SUITE_P(Dtypes, AdamWDtypes, testing::Values(at::kFloat, at::kBFloat16));

TEST_P(AdamWDtypes, ContinuesBitExactlyFromASavedState) {
  const auto collective = single_rank_collective();
  auto straight = make_parameters(GetParam());
  AdamW a(straight, {}, *collective);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(train_one(a, 1.0 + i));

  auto resumed = make_parameters(GetParam());
  AdamW b(resumed, {}, *collective);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(train_one(b, 1.0 + i));
  AdamW c(resumed, {}, *collective);  // same values, fresh moments
  ASSERT_TRUE(c.restore(b.state()));
  for (int i = 2; i < 4; ++i) ASSERT_TRUE(train_one(c, 1.0 + i));
  for (size_t p = 0; p < straight.size(); ++p) EXPECT_TRUE(at::equal(straight[p].tensor, resumed[p].tensor));
  EXPECT_EQ(c.num_steps(), 4);
}

TEST(AdamW, AStateOfAnotherSizeIsRefused) {
  const auto collective = single_rank_collective();
  AdamW optimizer(make_parameters(), {}, *collective);
  OptimizerState wrong = optimizer.state();
  wrong.exp_avg = at::zeros({3});
  EXPECT_EQ(optimizer.restore(wrong).error().code, ErrorCode::kInvalidInput);
}

TEST(AdamW, ANormThatIsNotFiniteChangesNothing) {
  const auto collective = single_rank_collective();
  auto parameters = make_parameters();
  AdamW optimizer(parameters, {}, *collective);
  const at::Tensor before = parameters[0].tensor.detach().clone();
  const auto norm = train_one(optimizer, std::numeric_limits<double>::infinity());
  ASSERT_FALSE(norm);
  EXPECT_NE(norm.error().message.find("not finite"), std::string::npos);
  EXPECT_TRUE(at::equal(parameters[0].tensor, before));
  EXPECT_EQ(optimizer.num_steps(), 0);
}

// A step far below bf16's resolution moves the float32 master, and in time the parameter.
TEST(AdamW, Bfloat16KeepsAFloatMaster) {
  const auto collective = single_rank_collective();
  auto parameters = make_parameters(at::kBFloat16);
  AdamW optimizer(parameters, {}, *collective);
  const at::Tensor before = parameters[1].tensor.detach().clone();
  ASSERT_TRUE(train_one(optimizer, 1.0, 1e-4));
  EXPECT_TRUE(at::equal(parameters[1].tensor, before)) << "1e-4 is lost in bf16";
  EXPECT_LT(optimizer.state().master[12].item<float>(), 1.0f);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(train_one(optimizer, 1.0, 1e-4));
  EXPECT_LT(parameters[1].tensor[0].item<float>(), 1.0f);
}

// 1 + 2^-9 is 1 in bfloat16: the second micro-batch's gradient would be lost.
TEST(AdamW, Bfloat16GradientsAddUpInFloat) {
  const auto collective = single_rank_collective();
  auto parameters = make_parameters(at::kBFloat16);
  AdamW optimizer(parameters, {}, *collective);
  for (int step = 0; step < 2; ++step) {
    optimizer.zero_grad();
    parameters[1].tensor.sum().backward();
    (parameters[1].tensor * 0.001953125).sum().backward();
    EXPECT_EQ(optimizer.gradients()[12].item<float>(), 1.001953125f);
    EXPECT_EQ(optimizer.gradients()[0].item<float>(), 0.0f);
    EXPECT_FALSE(parameters[1].tensor.grad().defined());
  }
}

TEST(AdamW, ClipsToTheGlobalNorm) {
  const auto collective = single_rank_collective();
  AdamWOptions tight;
  tight.max_grad_norm = 1e-3;
  auto parameters = make_parameters();
  AdamW optimizer(parameters, tight, *collective);
  const auto norm = train_one(optimizer, 1.0);
  ASSERT_TRUE(norm);
  const double want = std::sqrt((at::arange(12, at::kFloat).mul(0.2).square().sum() + 4 * 4.0).item<double>());
  EXPECT_NEAR(*norm, want, 1e-5);
  EXPECT_NEAR(optimizer.state().exp_avg.norm().item<double>(), 0.1 * 1e-3, 1e-8);  // (1 - beta1) * clipped gradient
}

}  // namespace
}  // namespace prosodia
