// The learner's arithmetic against TRL, PyTorch and transformers. Stored values: generate.py (versions inside the
// files). Tolerance: 1e-5 relative to the largest value of the compared vector.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "reward/advantage.h"
#include "workers/learner/grpo_loss.h"
#include "workers/learner/lr_schedule.h"
#include "workers/learner/optimizer.h"

namespace prosodia {
namespace {

using Json = nlohmann::json;

Json load(const std::string& name) {
  const char* root = std::getenv("PROSODIA_SOURCE_DIR");
  EXPECT_NE(root, nullptr) << "run through ctest, or set PROSODIA_SOURCE_DIR";
  const std::string path = std::string(root ? root : ".") + "/tests/golden/learner/" + name;
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return Json::parse(file).at("cases");
}

at::Tensor floats(const Json& values) { return at::tensor(values.get<std::vector<float>>()); }

void expect_close(const at::Tensor& got, const at::Tensor& want, double relative, const std::string& what) {
  ASSERT_EQ(got.sizes(), want.sizes()) << what;
  const double scale = std::max(1e-12, want.abs().max().item<double>());
  EXPECT_LE((got - want).abs().max().item<double>(), relative * scale) << what << "\ngot " << got << "\nwant " << want;
}

GrpoLossOptions options_of(const Json& json) {
  GrpoLossOptions options;
  options.loss_type = *parse_loss_type(json.at("loss_type").get<std::string>());
  options.importance_sampling_level =
      *parse_importance_sampling_level(json.at("importance_sampling_level").get<std::string>());
  options.epsilon = json.at("epsilon");
  options.epsilon_high = json.at("epsilon_high").get<double>();
  if (!json.at("delta").is_null()) options.delta = json.at("delta").get<double>();
  options.beta = json.at("beta");
  options.max_completion_length = json.at("max_completion_length");
  return options;
}

TEST(LearnerGolden, LossAndGradientAreTrls) {
  const Json cases = load("grpo_loss.json");
  ASSERT_GE(cases.size(), 25u);
  for (const auto& c : cases) {
    const std::string what = c.at("options").dump();
    const GrpoLossOptions options = options_of(c.at("options"));
    std::vector<int64_t> offsets = {0};
    for (const int64_t length : c.at("lengths")) offsets.push_back(offsets.back() + length);
    const auto advantages = c.at("advantages").get<std::vector<double>>();
    const at::Tensor logprobs = floats(c.at("logprobs")).requires_grad_();
    GrpoLossInput input{logprobs, {}, floats(c.at("ref_logprobs")), offsets, advantages};
    if (c.at("options").at("old").get<bool>()) input.old_logprobs_R = floats(c.at("old_logprobs"));
    const GrpoLossOutput output = grpo_loss(options, input, {static_cast<int64_t>(advantages.size()), offsets.back()});
    output.loss.backward();
    const double want = c.at("loss");
    EXPECT_NEAR(output.loss.item<double>(), want, 1e-5 * std::abs(want)) << what;
    expect_close(logprobs.grad(), floats(c.at("gradient")), 1e-5, what);

    double loss = 0, kl = 0, low = 0, high = 0, tokens = 0, high_max = 0;
    for (const SequenceStats& s : output.stats) {
      loss += s.loss, kl += s.kl, low += s.low_clipped, high += s.high_clipped, tokens += s.tokens;
      high_max = std::max(high_max, s.high_clipped / s.tokens);
    }
    EXPECT_NEAR(loss, want, 1e-5 * std::abs(want)) << what;
    if (options.beta != 0) {
      EXPECT_NEAR(kl / tokens, c.at("metrics").at("kl").get<double>(), 1e-5) << what;
    }
    if (options.importance_sampling_level == ImportanceSamplingLevel::kToken) {  // TRL counts sequences otherwise
      EXPECT_NEAR(low / tokens, c.at("metrics").at("clip_ratio/low_mean").get<double>(), 1e-6) << what;
      EXPECT_NEAR(high / tokens, c.at("metrics").at("clip_ratio/high_mean").get<double>(), 1e-6) << what;
      EXPECT_NEAR(high_max, c.at("metrics").at("clip_ratio/high_max").get<double>(), 1e-6) << what;
    }
  }
}

TEST(LearnerGolden, AdamWIsTorchs) {
  const auto collective = single_rank_collective();
  for (const auto& c : load("adamw.json")) {
    std::vector<NamedParameter> parameters;
    for (size_t p = 0; p < c.at("shapes").size(); ++p)
      parameters.push_back(
          {std::to_string(p),
           floats(c.at("start")[p]).view(c.at("shapes")[p].get<std::vector<int64_t>>()).requires_grad_()});
    AdamWOptions options;
    options.beta2 = c.at("beta2");
    options.weight_decay = c.at("weight_decay");
    options.max_grad_norm = c.at("max_grad_norm");
    AdamW optimizer(parameters, options, *collective);
    for (const auto& step : c.at("steps")) {
      optimizer.zero_grad();
      for (size_t p = 0; p < parameters.size(); ++p) {  // backward of sum(g * value) is g
        const at::Tensor g = floats(step.at("gradients")[p]).view(parameters[p].tensor.sizes());
        (parameters[p].tensor * g).sum().backward();
      }
      const auto norm = optimizer.step(step.at("learning_rate"));
      ASSERT_TRUE(norm) << norm.error().message;
      EXPECT_NEAR(*norm, step.at("norm").get<double>(), 1e-5 * *norm);
      for (size_t p = 0; p < parameters.size(); ++p)
        expect_close(parameters[p].tensor.detach().view(-1), floats(step.at("values")[p]), 1e-6,
                     c.dump().substr(0, 60));
    }
  }
}

TEST(LearnerGolden, LearningRatesAreTransformers) {
  for (const auto& c : load("lr_schedule.json")) {
    LrScheduleOptions options;
    options.lr_scheduler_type = *parse_lr_scheduler_type(c.at("name").get<std::string>());
    options.learning_rate = c.at("learning_rate");
    options.max_steps = c.at("max_steps");
    options.warmup_steps = c.at("warmup_steps");
    for (size_t step = 0; step < c.at("rates").size(); ++step)
      EXPECT_NEAR(learning_rate_at(options, static_cast<int64_t>(step)), c.at("rates")[step].get<double>(), 1e-15)
          << c.at("name") << " step " << step;
    options.warmup_steps = 0;
    options.warmup_ratio = c.at("warmup_steps").get<double>() / 10 - 0.05 * (c.at("warmup_steps") > 0);
    EXPECT_NEAR(learning_rate_at(options, 1), c.at("rates")[1].get<double>(), 1e-15) << "a ratio is rounded up";
  }
}

TEST(LearnerGolden, AdvantagesAreTrls) {
  for (const auto& c : load("advantages.json")) {
    std::vector<double> rewards;
    std::vector<uint8_t> present;
    std::vector<int> group_of;
    for (const auto& reward : c.at("rewards")) {
      group_of.push_back(static_cast<int>(rewards.size()) / c.at("group").get<int>());
      present.push_back(!reward.is_null());
      rewards.push_back(reward.is_null() ? std::nan("") : reward.get<double>());
    }
    for (const auto scale : {ScaleRewards::kGroup, ScaleRewards::kBatch, ScaleRewards::kNone}) {
      const auto got = advantages(rewards, present, group_of, {scale, 1e-4});
      const auto want = c.at("advantages").at(std::string(name(scale))).get<std::vector<double>>();
      for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-6) << name(scale) << " " << i;
    }
    const RewardStats stats = reward_stats(rewards, present, group_of);
    EXPECT_NEAR(stats.mean, c.at("reward").get<double>(), 1e-6);
    EXPECT_NEAR(stats.std, c.at("reward_std").get<double>(), 1e-6);
  }
}

// Published vectors of other trainers (verl's and AReaL's epsilons).
TEST(LearnerGolden, AdvantageParityVectors) {
  const std::vector<double> binary = {1, 0, 0, 1}, graded = {.2, .5, .9};
  const std::vector<uint8_t> all(4, 1);
  const std::vector<int> one_group(4, 0);
  EXPECT_NEAR(advantages(binary, all, one_group, {ScaleRewards::kGroup, 1e-6})[0], 0.8660239, 1e-6);
  EXPECT_NEAR(advantages(binary, all, one_group, {ScaleRewards::kGroup, 1e-5})[1], -0.8660104, 1e-6);
  const auto got =
      advantages(graded, std::span(all).first(3), std::span(one_group).first(3), {ScaleRewards::kGroup, 1e-6});
  EXPECT_NEAR(got[0], -0.9491553, 1e-6);
  EXPECT_NEAR(got[1], -0.0949155, 1e-6);
  EXPECT_NEAR(got[2], 1.0440708, 1e-6);
}

}  // namespace
}  // namespace prosodia
