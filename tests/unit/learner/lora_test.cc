// Training with an adapter or with frozen parts: what moves, what the reference is, what a checkpoint holds; and the
// contract that sampling and learning compute the same bits.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "tests/unit/learner/fixtures.h"
#include "workers/learner/learner_state.h"
#include "workers/learner/trainable.h"

namespace prosodia {
namespace {

using namespace testing_support;
namespace fs = std::filesystem;

class LoraTest : public testing::Test {
 protected:
  LoraTest() : ranks_(single_rank_collective()) {
    write_model_dir(base());
    processor_ = value_of(Processor::load(base(), std::make_shared<AudioStore>()));
    learner_.model_dir = base();
    learner_.checkpoint_dir = dir_ / "checkpoints";
    learner_.grpo.schedule = {1e-2, LrSchedulerType::kConstant, 0, 0, 10};
    learner_.grpo.dataset_dir = base();
    learner_.model.lora = LoraOptions{.r = 4, .lora_alpha = 8, .seed = 3};
  }
  fs::path base() const { return dir_ / "model"; }

  // An adapter that does something: A and B far from zero.
  static void stir(Model& model) {
    PhiloxStream noise(21);
    for (NamedParameter& parameter : model.parameters()) {
      if (!model.in_adapter(parameter.name)) continue;
      float* values = parameter.tensor.data_ptr<float>();
      for (int64_t i = 0; i < parameter.tensor.numel(); ++i) values[i] += 0.3f * noise.next_normal();
    }
  }
  std::shared_ptr<Model> stirred() const {
    auto model = value_of(load_model(base(), learner_.model));
    stir(*model);
    return model;
  }
  protocol::StepBatch batch(const Model& model, uint64_t step = 0) const {
    return sample_batch(model, *processor_, base(), step, step);
  }
  std::unique_ptr<LearnerState> learner(const fs::path& from = {}) {
    return value_of(LearnerState::load(learner_, *ranks_, from.empty() ? base() : from));
  }

  TempDir dir_;
  std::unique_ptr<Collective> ranks_;
  std::unique_ptr<Processor> processor_;
  LearnerOptions learner_;
};

TEST_F(LoraTest, SamplingAndLearningGiveTheSameBits) {
  learner_.model.lora->target_modules = {"all-linear", "audio_tower.all-linear"};
  const auto model = stirred();
  const auto sampled = batch(*model);
  const auto plain = value_of(load_model(base()));
  EXPECT_NE(sampled.groups[0].rollout.completions[0].logprobs, batch(*plain).groups[0].rollout.completions[0].logprobs);
  GrpoOptions grpo = learner_.grpo;
  grpo.loss.beta = 0;
  const auto trainer = value_of(GrpoTrainer::create(grpo, *model, nullptr, *processor_, *ranks_));
  EXPECT_EQ(metric(value_of(trainer->step(sampled)), "sampling/sampling_logp_difference/max"), 0);
}

// Rows and company change nothing; a new version of the adapter reaches the packed weights.
TEST_F(LoraTest, DecodingIsBatchInvariantAndFollowsTheAdapter) {
  const auto model = stirred();
  const auto sample_rows = [&](Engine& engine) {
    std::vector<std::vector<float>> logprobs;
    for (uint64_t id = 0; id < 3; ++id) {
      const Sample sample = value_of(parse_sample(prompt_row(static_cast<int>(id)), base(), "row", 1));
      ok(engine.submit({id, std::make_shared<EncodedPrompt>(value_of(processor_->encode(sample, true))), 4, 50 + id}));
    }
    std::map<uint64_t, std::vector<Completion>> results;
    while (!engine.idle())
      for (auto& result : engine.step()) results[result.id] = std::move(result.completions);
    for (const auto& [id, completions] : results)
      for (const Completion& completion : completions) logprobs.push_back(completion.logprobs);
    return logprobs;
  };
  SamplingParams params;
  params.max_completion_length = 12;
  Engine crowd(*model, params, {.max_rows = 64}), alone(*model, params, {.max_rows = 1});
  const auto before = sample_rows(crowd);
  EXPECT_EQ(before, sample_rows(alone));
  auto weights = value_of(PolicyWeights::create(*model, {}));
  const auto packed = weights.pack();
  stir(*model);
  crowd.adapter_changed();
  EXPECT_NE(sample_rows(crowd), before);
  ok(weights.unpack(packed));
  crowd.adapter_changed();
  EXPECT_EQ(sample_rows(crowd), before);
}

TEST_F(LoraTest, OnlyTheAdapterMovesAndHasOptimizerState) {
  const auto plain = value_of(load_model(base()));
  const auto state = learner();
  const GrpoOutcome outcome = value_of(state->step(batch(*plain)));
  EXPECT_NEAR(metric(outcome, "kl"), 0, 1e-9) << "the reference is the base with the adapter off";
  value_of(state->step(batch(*plain, 1)));
  ok(state->write_model(dir_ / "out"));
  const auto after = value_of(load_model(dir_ / "out"));
  int64_t elements = 0, moved = 0;
  for (const NamedParameter& parameter : after->parameters()) {
    if (const at::Tensor* before = plain->find(parameter.name)) {
      EXPECT_TRUE(at::equal(parameter.tensor, *before)) << parameter.name;
      continue;
    }
    elements += parameter.tensor.numel();
    if (parameter.name.ends_with(".lora_B.weight")) moved += at::count_nonzero(parameter.tensor).item<int64_t>() > 0;
  }
  EXPECT_EQ(moved, 14) << "seven linears of two layers";
  EXPECT_LT(outcome.packed->bytes.size(), pack_weights(*plain).size() / 2);
  EXPECT_EQ(outcome.packed->bytes.size(), static_cast<size_t>(elements) * 4 + sizeof(Digest));
}

TEST_F(LoraTest, TheKlTermGrowsAgainstTheBase) {
  const auto state = learner();
  const auto plain = value_of(load_model(base()));
  value_of(state->step(batch(*plain)));
  value_of(state->step(batch(*plain, 1)));
  EXPECT_GT(metric(value_of(state->step(batch(*plain, 2))), "kl"), 1e-4);
}

TEST_F(LoraTest, ACheckpointIsAnAdapterFolderAndGoesOnWithTheSameBits) {
  const auto plain = value_of(load_model(base()));
  CheckpointStore store(posix_file_system(), learner_.checkpoint_dir);
  const auto straight = learner();
  value_of(straight->step(batch(*plain)));
  const fs::path saved = value_of(straight->save(store, {}));
  EXPECT_TRUE(fs::exists(saved / "adapter_model.safetensors"));
  EXPECT_FALSE(fs::exists(saved / "model.safetensors"));
  const GrpoOutcome next = value_of(straight->step(batch(*plain, 1)));

  const auto resumed = learner(saved);
  EXPECT_EQ(resumed->version(), 1u);
  const GrpoOutcome again = value_of(resumed->step(batch(*plain, 1)));
  EXPECT_EQ(again.weights, next.weights);
  EXPECT_EQ(again.loss, next.loss);
  EXPECT_EQ(metric(again, "kl"), metric(next, "kl")) << "the reference stays the initial policy";
  EXPECT_TRUE(load_model(saved)->get()->has_adapter());
}

// Training goes on with an adapter that exists: the reference is that adapter as it was.
TEST_F(LoraTest, GoingOnWithAnAdapterKeepsItAsReference) {
  const auto first = stirred();
  ok(save_policy(*first, base(), dir_ / "adapter"));
  learner_.model_dir = dir_ / "adapter";
  const auto state = value_of(LearnerState::load(learner_, *ranks_, learner_.model_dir));
  EXPECT_NEAR(metric(value_of(state->step(batch(*first))), "kl"), 0, 1e-9);
}

TEST_F(LoraTest, SftTrainsTheAdapterAndResumes) {
  for (const char* clip : {"a.wav", "b.wav"}) fs::copy(base() / clip, dir_ / clip);
  write_sft_dataset(dir_ / "train.jsonl", 8);
  SftOptions sft;
  sft.model_dir = base();
  sft.datasets = {{dir_ / "train.jsonl", {}}};
  sft.per_device_train_batch_size = 4;
  sft.max_steps = 12;
  sft.learning_rate = 2e-2;
  sft.model = learner_.model;
  sft.output_dir = dir_ / "straight";
  const SftReport report = value_of(train_sft(sft, *ranks_));
  EXPECT_LT(report.last_loss, 0.7 * report.first_loss);
  sft.output_dir = dir_ / "stopped";
  int asked = 0;
  sft.stop_requested = [&] { return ++asked == 5; };
  EXPECT_FALSE(train_sft(sft, *ranks_));
  sft.stop_requested = nullptr;
  EXPECT_EQ(value_of(train_sft(sft, *ranks_)).resumed_from, 5);
  EXPECT_EQ(weights_hex(dir_ / "stopped"), weights_hex(dir_ / "straight"));
  EXPECT_TRUE(value_of(load_model(dir_ / "straight"))->has_adapter());
}

// A frozen layer is not even part of the graph when nothing before it trains.
TEST_F(LoraTest, BackwardDoesNotReachFrozenLayers) {
  const auto model = value_of(load_model(base()));
  const auto weights =
      value_of(select_trainable(*model, value_of(FreezeSpec::parse("audio_tower,projector,embeddings,layers.0"))));
  EXPECT_FALSE(weights.audio_changes());
  PackedBatch packed{.token_ids = {1, 2, 3}, .positions = {0, 1, 2}, .segments = {{.begin = 0, .end = 3}}};
  std::vector<bool> recorded;
  const at::Tensor hidden = model->hidden(
      packed, {.kv = [&](int, const at::Tensor& k, const at::Tensor&) { recorded.push_back(k.requires_grad()); }});
  EXPECT_EQ(recorded, (std::vector<bool>{false, true}));
  hidden.sum().backward();
  for (const NamedParameter& parameter : model->parameters())
    EXPECT_EQ(parameter.tensor.grad().defined(),
              parameter.name.starts_with("model.layers.1.") || parameter.name.starts_with("model.norm."))
        << parameter.name;
}

TEST_F(LoraTest, FrozenPartsNeverMoveAndDoNotTravel) {
  learner_.model.lora.reset();
  learner_.grpo.freeze = value_of(FreezeSpec::parse("audio_tower,layers.0,embeddings"));
  const auto plain = value_of(load_model(base()));
  const auto state = learner();
  const GrpoOutcome outcome = value_of(state->step(batch(*plain)));
  value_of(state->step(batch(*plain, 1)));
  ok(state->write_model(dir_ / "out"));
  const auto after = value_of(load_model(dir_ / "out"));
  size_t bytes = sizeof(Digest);
  for (const NamedParameter& parameter : after->parameters()) {
    const bool frozen = learner_.grpo.freeze.freezes(parameter.name);
    if (!frozen) bytes += parameter.tensor.nbytes();
    const bool same = at::equal(parameter.tensor, *plain->find(parameter.name));
    if (frozen || parameter.tensor.dim() > 1) {
      EXPECT_EQ(same, frozen) << parameter.name;
    }
  }
  EXPECT_EQ(outcome.packed->bytes.size(), bytes);
}

// The schedule counts optimizer updates, as TRL's does.
TEST_F(LoraTest, EveryIterationIsAStepOfTheSchedule) {
  learner_.grpo.num_iterations = 2;
  learner_.grpo.schedule = {1e-3, LrSchedulerType::kLinear, 0, 0, 4};
  const auto plain = value_of(load_model(base()));
  const auto state = learner();
  value_of(state->step(batch(*plain)));
  // Two of eight updates are done: transformers' linear schedule is at 6/8 of the peak.
  EXPECT_NEAR(metric(value_of(state->step(batch(*plain, 1))), "learning_rate"), 0.75e-3, 1e-12);
}

}  // namespace
}  // namespace prosodia
