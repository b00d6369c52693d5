#include "workers/learner/grpo_step.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/learner/fixtures.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class GrpoStepTest : public testing::Test {
 protected:
  GrpoStepTest() : ranks_(single_rank_collective()) {
    write_model_dir(dir_.path());
    processor_ = value_of(Processor::load(dir_.path(), std::make_shared<AudioStore>()));
    reference_ = value_of(load_model(dir_.path()));
    options_.schedule = {1e-3, LrSchedulerType::kConstant, 0, 0, 100};
    options_.dataset_dir = dir_.path();
  }
  struct Trained {
    std::shared_ptr<Model> model;
    std::unique_ptr<GrpoTrainer> trainer;
  };
  Trained trainer(const GrpoOptions& options) {
    Trained made{value_of(load_model(dir_.path())), nullptr};
    made.trainer = value_of(GrpoTrainer::create(options, *made.model, reference_.get(), *processor_, *ranks_));
    return made;
  }
  protocol::StepBatch batch(uint64_t step = 0, uint64_t version = 0) {
    return sample_batch(*reference_, *processor_, dir_.path(), step, version);
  }
  // The largest difference between two models' parameters.
  static double distance(const Model& a, const Model& b) {
    double largest = 0;
    for (size_t p = 0; p < a.parameters().size(); ++p)
      largest = std::max(largest, (a.parameters()[p].tensor - b.parameters()[p].tensor).abs().max().item<double>());
    return largest;
  }

  TempDir dir_;
  std::unique_ptr<Collective> ranks_;
  std::unique_ptr<Processor> processor_;
  std::shared_ptr<Model> reference_;
  GrpoOptions options_;
};

// The contract: sampling one token at a time and learning over packed groups give the same log-probabilities.
TEST_F(GrpoStepTest, RecomputesWhatSamplingRecorded) {
  const auto made = trainer(options_);
  const GrpoOutcome outcome = value_of(made.trainer->step(batch()));
  EXPECT_LE(metric(outcome, "sampling/sampling_logp_difference/max"), 1e-5);
  EXPECT_NEAR(metric(outcome, "kl"), 0, 1e-9) << "the policy still is the reference";
  EXPECT_EQ(metric(outcome, "clip_ratio/region_mean"), 0);
  EXPECT_EQ(metric(outcome, "sampling/importance_sampling_ratio/max"), 1);
  EXPECT_GT(metric(outcome, "entropy"), 0);
  EXPECT_GT(metric(outcome, "grad_norm"), 0);
  EXPECT_EQ(outcome.new_version, 1u);
  EXPECT_EQ(outcome.weights.hex(), weights_hex(*made.model));
  EXPECT_NE(outcome.weights.hex(), weights_hex(*reference_));
}

TEST_F(GrpoStepTest, TheMicroBatchSplitDoesNotChangeTheUpdate) {
  for (const auto type : {LossType::kGrpo, LossType::kDapo, LossType::kDrGrpo}) {
    options_.loss.loss_type = type;
    options_.adamw.eps = 1e-3;  // near-zero gradients must not decide by their sign
    options_.max_tokens_per_micro_batch = 100'000;
    const auto whole = trainer(options_);
    options_.max_tokens_per_micro_batch = 40;
    const auto split = trainer(options_);
    const double a = value_of(whole.trainer->step(batch())).loss, b = value_of(split.trainer->step(batch())).loss;
    EXPECT_NEAR(a, b, 1e-6);
    EXPECT_LE(distance(*whole.model, *split.model), 1e-6) << name(type);
  }
}

TEST_F(GrpoStepTest, IsDeterministic) {
  const auto a = trainer(options_), b = trainer(options_);
  for (uint64_t step = 0; step < 2; ++step) {
    const auto x = value_of(a.trainer->step(batch(step))), y = value_of(b.trainer->step(batch(step)));
    EXPECT_EQ(x.loss, y.loss);
    EXPECT_EQ(x.weights, y.weights);
  }
}

TEST_F(GrpoStepTest, AMissingRewardLeavesTheGroup) {
  auto with = batch();
  auto& group = with.groups[1];
  group.reward.responses[2].present = false;
  group.reward.responses[2].total = std::nan("");
  auto without = with;
  without.groups[1].reward.responses.erase(without.groups[1].reward.responses.begin() + 2);
  without.groups[1].rollout.completions.erase(without.groups[1].rollout.completions.begin() + 2);
  const auto a = trainer(options_), b = trainer(options_);
  const auto x = value_of(a.trainer->step(with)), y = value_of(b.trainer->step(without));
  EXPECT_EQ(x.loss, y.loss);
  EXPECT_EQ(x.weights, y.weights);
  EXPECT_EQ(metric(x, "learner/missing_rewards"), 1);
}

TEST_F(GrpoStepTest, WithoutAnyRewardTheWeightsStay) {
  auto nothing = batch();
  for (auto& group : nothing.groups)
    for (auto& score : group.reward.responses) score.present = false;
  const auto made = trainer(options_);
  const GrpoOutcome outcome = value_of(made.trainer->step(nothing));
  EXPECT_EQ(outcome.weights.hex(), weights_hex(*reference_));
  EXPECT_EQ(outcome.new_version, 1u);
}

// Groups of an earlier version: the recorded log-probabilities are the old ones.
TEST_F(GrpoStepTest, LagUsesTheRecordedLogProbabilities) {
  auto late = batch(1, 0);
  for (auto& group : late.groups)
    for (auto& completion : group.rollout.completions)
      for (float& logprob : completion.logprobs) logprob -= 1.0f;  // as if sampled when less likely
  const auto made = trainer(options_);
  const GrpoOutcome outcome = value_of(made.trainer->step(late));
  EXPECT_NEAR(metric(outcome, "sampling/importance_sampling_ratio/mean"), std::exp(1.0), 1e-3);
  EXPECT_GT(metric(outcome, "clip_ratio/high_mean"), 0.1);
  EXPECT_EQ(metric(outcome, "rollout/staleness_max"), 1);
}

TEST_F(GrpoStepTest, SeveralIterationsMoveFurtherAndKeepTheFirstOnesOldLogProbabilities) {
  const auto once = trainer(options_);
  options_.num_iterations = 3;
  const auto thrice = trainer(options_);
  value_of(once.trainer->step(batch()));
  const GrpoOutcome outcome = value_of(thrice.trainer->step(batch()));
  EXPECT_GT(distance(*thrice.model, *reference_), 1.5 * distance(*once.model, *reference_));
  EXPECT_NE(metric(outcome, "sampling/importance_sampling_ratio/max"), 1);
  EXPECT_EQ(thrice.trainer->optimizer().num_steps(), 3);
}

TEST_F(GrpoStepTest, RaisesTheReward) {
  options_.loss.beta = 0.0;
  options_.schedule.learning_rate = 3e-3;
  const auto made = trainer(options_);
  double first = 0, last = 0;
  for (uint64_t step = 0; step < 12; ++step) {
    const auto sampled = sample_batch(*made.model, *processor_, dir_.path(), step, step, {3, 8, 8});
    const GrpoOutcome outcome = value_of(made.trainer->step(sampled));
    EXPECT_LE(metric(outcome, "sampling/sampling_logp_difference/max"), 1e-5) << step;
    (step < 2 ? first : last) = metric(outcome, "reward");
  }
  EXPECT_GT(last, first + 0.15);
}

TEST_F(GrpoStepTest, AFrozenTowerIsEncodedOnceWithTheSameBits) {
  options_.freeze = value_of(FreezeSpec::parse("audio_tower,projector"));
  const auto cached = trainer(options_);
  const auto open = trainer(
      {options_.loss, options_.advantage, options_.schedule, options_.adamw, {}, 1.0, 1, 8192, options_.dataset_dir});
  const GrpoOutcome from_cache = value_of(cached.trainer->step(batch())),
                    encoded = value_of(open.trainer->step(batch()));
  EXPECT_EQ(from_cache.loss, encoded.loss);
  EXPECT_EQ(metric(from_cache, "entropy"), metric(encoded, "entropy"));
  EXPECT_LE(metric(from_cache, "sampling/sampling_logp_difference/max"), 1e-5) << "the engine encoded the clips itself";
  // Two clips: the reference's pass encodes them, the policy's finds them; from then on both find them.
  EXPECT_EQ(cached.trainer->audio_cache_hits(), 2);
  value_of(cached.trainer->step(batch(1, 1)));
  EXPECT_EQ(cached.trainer->audio_cache_hits(), 6);
  EXPECT_EQ(open.trainer->audio_cache_hits(), 0);
}

// Sampling and learning run the same bits in bfloat16 too.
TEST_F(GrpoStepTest, Bf16RecomputesWhatSamplingRecorded) {
  const auto reference = value_of(load_model(dir_.path(), {.dtype = "bfloat16"})),
             policy = value_of(load_model(dir_.path(), {.dtype = "bfloat16"}));
  const auto made = value_of(GrpoTrainer::create(options_, *policy, reference.get(), *processor_, *ranks_));
  for (uint64_t step = 0; step < 2; ++step) {
    const GrpoOutcome outcome = value_of(made->step(sample_batch(*policy, *processor_, dir_.path(), step, step)));
    EXPECT_EQ(metric(outcome, "sampling/sampling_logp_difference/max"), 0);
    EXPECT_GT(metric(outcome, "grad_norm"), 0);
  }
}

TEST_F(GrpoStepTest, ContradictionsAreNamed) {
  auto wrong = batch();
  wrong.groups[0].rollout.prompt_token_count += 1;
  EXPECT_THAT(trainer(options_).trainer->step(wrong).error().message, HasSubstr("tokens"));
  wrong = batch();
  wrong.groups[2].reward.responses.pop_back();
  EXPECT_THAT(trainer(options_).trainer->step(wrong).error().message, HasSubstr("group 2"));
  wrong = batch();
  wrong.groups[1].rollout.completions[0].token_ids[0] = reference_->config().audio_token_id;
  EXPECT_THAT(trainer(options_).trainer->step(wrong).error().message, HasSubstr("audio placeholder"));
  options_.loss.beta = 0.04;
  const auto model = value_of(load_model(dir_.path()));
  EXPECT_THAT(GrpoTrainer::create(options_, *model, nullptr, *processor_, *ranks_).error().message,
              HasSubstr("reference"));
}

}  // namespace
}  // namespace prosodia
