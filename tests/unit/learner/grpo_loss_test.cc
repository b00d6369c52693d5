#include "workers/learner/grpo_loss.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

namespace prosodia {
namespace {

struct Batch {
  std::vector<int64_t> lengths = {3, 1, 6, 4, 2};
  std::vector<double> advantages = {0.7, -1.2, 0.4, -0.3, 1.1};
  at::Tensor logprobs, old, ref;

  Batch() {
    const int64_t rows = 16;
    const at::Tensor x = at::arange(rows, at::kFloat);
    logprobs = -1.0 - (x * 1.7).sin().abs();
    old = logprobs + 0.4 * (x * 2.3).cos();
    ref = logprobs + 0.5 * (x * 0.9).sin();
  }

  // Loss and gradient of sequences [begin, end), as one micro-batch of the whole.
  std::pair<double, at::Tensor> part(const GrpoLossOptions& options, size_t begin, size_t end) const {
    std::vector<int64_t> offsets = {0};
    int64_t first = 0;
    for (size_t s = 0; s < end; ++s) {
      if (s < begin) first += lengths[s];
      if (s >= begin) offsets.push_back(offsets.back() + lengths[s]);
    }
    const int64_t rows = offsets.back();
    const at::Tensor leaf = logprobs.narrow(0, first, rows).clone().requires_grad_();
    const std::span<const double> mine(advantages.data() + begin, end - begin);
    const auto output =
        grpo_loss(options, {leaf, old.narrow(0, first, rows), ref.narrow(0, first, rows), offsets, mine}, {5, 16});
    output.loss.backward();
    return {output.loss.item<double>(), leaf.grad()};
  }
};

TEST(GrpoLoss, DoesNotDependOnTheMicroBatchSplit) {
  const Batch batch;
  for (const auto type : {LossType::kGrpo, LossType::kDapo, LossType::kBnpo, LossType::kDrGrpo}) {
    for (const auto level : {ImportanceSamplingLevel::kToken, ImportanceSamplingLevel::kSequence}) {
      GrpoLossOptions options;
      options.loss_type = type;
      options.importance_sampling_level = level;
      const auto [loss, gradient] = batch.part(options, 0, 5);
      for (const std::vector<size_t>& cuts : {std::vector<size_t>{0, 1, 2, 3, 4, 5}, {0, 2, 5}, {0, 4, 5}}) {
        double sum = 0;
        std::vector<at::Tensor> parts;
        for (size_t c = 0; c + 1 < cuts.size(); ++c) {
          const auto [part_loss, part_gradient] = batch.part(options, cuts[c], cuts[c + 1]);
          sum += part_loss;
          parts.push_back(part_gradient);
        }
        EXPECT_NEAR(sum, loss, 1e-6) << name(type);
        EXPECT_LE((at::cat(parts) - gradient).abs().max().item<double>(), 1e-7) << name(type) << " " << name(level);
      }
    }
  }
}

TEST(GrpoLoss, OnPolicyRatioIsOneAndGradientIsMinusAdvantage) {
  GrpoLossOptions options;
  options.beta = 0;
  const at::Tensor logprobs = at::full({2}, -1.0f).requires_grad_();
  const std::vector<int64_t> offsets = {0, 2};
  const std::vector<double> advantages = {0.5};
  const auto output = grpo_loss(options, {logprobs, {}, {}, offsets, advantages}, {1, 2});
  output.loss.backward();
  EXPECT_FLOAT_EQ(output.loss.item<float>(), -0.5f);
  EXPECT_FLOAT_EQ(logprobs.grad()[0].item<float>(), -0.25f);
  EXPECT_DOUBLE_EQ(output.stats[0].ratio, 2.0);
}

TEST(GrpoLoss, PublishedVectors) {
  const std::vector<int64_t> offsets = {0, 1};
  GrpoLossOptions options;
  options.beta = 1;
  const std::vector<double> zero = {0.0}, minus = {-1.0};
  const auto kl = grpo_loss(options, {at::zeros({1}), {}, at::full({1}, 3.0f), offsets, zero}, {1, 1});
  EXPECT_NEAR(kl.stats[0].kl, 16.085537, 1e-5);  // e^3 - 3 - 1
  options.beta = 0;
  const at::Tensor five = at::full({1}, std::log(5.0f));
  EXPECT_NEAR(grpo_loss(options, {five, at::zeros({1}), {}, offsets, minus}, {1, 1}).loss.item<double>(), 5, 1e-5);
  options.delta = 3;
  EXPECT_NEAR(grpo_loss(options, {five, at::zeros({1}), {}, offsets, minus}, {1, 1}).loss.item<double>(), 3, 1e-5);
}

TEST(GrpoLoss, OneWildTokenStaysFinite) {
  const at::Tensor logprobs = at::tensor({-200.0f, -1.0f}).requires_grad_();
  const std::vector<int64_t> offsets = {0, 2};
  const std::vector<double> advantages = {-1.0};
  const at::Tensor calm = at::full({2}, -1.0f);
  const auto output = grpo_loss({}, {logprobs, calm, calm, offsets, advantages}, {1, 2});
  output.loss.backward();
  EXPECT_TRUE(std::isfinite(output.loss.item<double>()));
  EXPECT_TRUE(logprobs.grad().isfinite().all().item<bool>());
}

TEST(GrpoLoss, RefusesOptionsThatMakeNoSense) {
  GrpoLossOptions options;
  EXPECT_TRUE(validate(options));
  options.delta = 1.1;  // below the upper clip
  EXPECT_EQ(validate(options).error().code, ErrorCode::kUsage);
  EXPECT_NE(validate(options).error().message.find("delta"), std::string::npos);
  EXPECT_NE(parse_loss_type("ppo").error().message.find("dr_grpo"), std::string::npos);
}

}  // namespace
}  // namespace prosodia
