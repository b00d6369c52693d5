// SFT and the learner on several ranks: run by mpirun with 1, 2 and 3 ranks. The same work on one rank is the measure.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/unit/learner/fixtures.h"
#include "workers/learner/learner.h"
#include "workers/learner/learner_state.h"
#include "workers/learner/replay.h"
#include "workers/learner/sft_eval.h"

namespace prosodia {
namespace {

using namespace testing_support;

Collective* ranks = nullptr;  // made in main

// One folder for all ranks.
std::filesystem::path shared_dir() {
  static std::unique_ptr<TempDir> owner;
  static std::filesystem::path dir;
  if (!dir.empty()) return dir;
  std::vector<std::byte> bytes;
  if (ranks->rank() == 0) {
    owner = std::make_unique<TempDir>();
    write_model_dir(*owner / "model");
    for (const char* clip : {"a.wav", "b.wav"}) std::filesystem::copy(*owner / "model" / clip, *owner / clip);
    write_sft_dataset(*owner / "train.jsonl", 12);
    const std::string text = owner->path().string();
    bytes.assign(as_byte_span(text).begin(), as_byte_span(text).end());
  }
  ok(ranks->broadcast_bytes(bytes, 0));
  dir = std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return dir;
}

SftOptions sft_options(const std::string& out, int num_ranks) {
  SftOptions options;
  options.model_dir = shared_dir() / "model";
  options.output_dir = shared_dir() / out;
  options.datasets = {{shared_dir() / "train.jsonl", {}}};
  options.per_device_train_batch_size = 6 / num_ranks;
  options.max_steps = 5;
  options.learning_rate = 1e-3;
  options.adamw.eps = 1e-4;
  return options;
}

TEST(Ranks, SftGivesTheLossesOfOneRank) {
  const auto together = value_of(train_sft(sft_options("together", ranks->size()), *ranks));
  if (ranks->rank() == 0) {
    const auto alone = single_rank_collective();
    const auto single = value_of(train_sft(sft_options("alone", 1), *alone));
    ASSERT_EQ(together.losses.size(), single.losses.size());
    for (size_t i = 0; i < single.losses.size(); ++i)
      EXPECT_NEAR(together.losses[i], single.losses[i], 1e-6 * single.losses[i]) << i;
    const auto ours = value_of(load_model(shared_dir() / "together")),
               one = value_of(load_model(shared_dir() / "alone"));
    for (size_t p = 0; p < one->parameters().size(); ++p) {
      const auto& [name, tensor] = one->parameters()[p];
      const double norm = tensor.norm().item<double>();
      EXPECT_LE((ours->parameters()[p].tensor - tensor).norm().item<double>(), 1e-5 * norm + 1e-7) << name;
    }
  }
  ok(ranks->barrier());
}

// Rows are shared out, and still the sums are taken in the same order.
TEST(Ranks, SftEvaluationGivesTheBitsOfOneRank) {
  const auto model = value_of(load_model(shared_dir() / "model"));
  const auto processor = value_of(Processor::load(shared_dir() / "model", std::make_shared<AudioStore>()));
  const auto evaluate = [&](Collective& collective) {
    return value_of(value_of(SftEvalSet::load({shared_dir() / "train.jsonl"}, *processor, 1000, 8192, collective))
                        ->evaluate(*model, nullptr));
  };
  const SftEvaluation together = evaluate(*ranks), alone = evaluate(*single_rank_collective());
  EXPECT_EQ(together.loss, alone.loss);
  EXPECT_EQ(together.mean_token_accuracy, alone.mean_token_accuracy);
  EXPECT_EQ(together.num_tokens, alone.num_tokens);
}

// Stages, an adapter, the best model: stopped in either stage, the ranks end with the same bits.
TEST(Ranks, SftStagesWithAnAdapterResumeBitExactly) {
  const auto staged = [](const std::string& out) {
    SftOptions options = sft_options(out, ranks->size());
    options.model.lora = LoraOptions{.r = 4, .lora_alpha = 8, .seed = 3};
    SftStage first = options, second = options;
    first.max_steps = 3;
    first.freeze = value_of(FreezeSpec::parse("layers.0"));
    second.max_steps = 4;
    second.eval_datasets = {shared_dir() / "train.jsonl"};
    second.eval_steps = 1;
    second.greater_is_better = true;  // the first evaluation stays the best
    second.load_best_model_at_end = true;
    options.stages = {first, second};
    return options;
  };
  const auto straight = value_of(train_sft(staged("stages"), *ranks));
  EXPECT_EQ(straight.best_step, 4);
  for (const int stop_after : {2, 3, 5}) {
    SftOptions cut = staged(fmt::format("stages-{}", stop_after));
    int asked = 0;
    cut.stop_requested = [&] { return ++asked == stop_after && ranks->rank() == 0; };
    EXPECT_FALSE(train_sft(cut, *ranks));
    cut.stop_requested = nullptr;
    EXPECT_EQ(value_of(train_sft(cut, *ranks)).resumed_from, stop_after);
    ok(ranks->barrier());
    EXPECT_EQ(weights_hex(cut.output_dir), weights_hex(shared_dir() / "stages")) << stop_after;
  }
}

TEST(Ranks, SftResumesBitExactly) {
  const auto straight = value_of(train_sft(sft_options("straight", ranks->size()), *ranks));
  SftOptions stopped = sft_options("stopped", ranks->size());
  int asked = 0;
  stopped.stop_requested = [&] { return ++asked == 2 && ranks->rank() == ranks->size() - 1; };  // one rank's signal
  const auto interrupted = train_sft(stopped, *ranks);
  ASSERT_FALSE(interrupted);
  EXPECT_EQ(interrupted.error().code, ErrorCode::kInterrupted);
  stopped.stop_requested = nullptr;
  const auto resumed = value_of(train_sft(stopped, *ranks));
  EXPECT_EQ(resumed.resumed_from, 2);
  EXPECT_EQ(resumed.losses, std::vector<double>(straight.losses.begin() + 2, straight.losses.end()));
  ok(ranks->barrier());
  EXPECT_EQ(weights_hex(shared_dir() / "stopped"), weights_hex(shared_dir() / "straight"));
}

LearnerOptions learner_options(const std::string& run) {
  LearnerOptions options;
  options.model_dir = shared_dir() / "model";
  options.checkpoint_dir = shared_dir() / run / "checkpoints";
  options.grpo.schedule = {1e-3, LrSchedulerType::kConstant, 0, 0, 10};
  options.grpo.adamw.eps = 1e-4;
  options.grpo.dataset_dir = shared_dir() / "model";
  return options;
}

// Rank 0's batches, the same for every test.
std::vector<protocol::StepBatch> batches() {
  const auto model = value_of(load_model(shared_dir() / "model"));
  const auto processor = value_of(Processor::load(shared_dir() / "model", std::make_shared<AudioStore>()));
  std::vector<protocol::StepBatch> batches;
  for (uint64_t step = 0; step < 3; ++step)
    batches.push_back(sample_batch(*model, *processor, shared_dir() / "model", step, 0));
  return batches;
}

TEST(Ranks, GrpoGivesTheUpdatesOfOneRank) {
  const auto all = batches();
  const auto losses = [&](Collective& collective) {
    std::vector<double> losses;
    ReplayHooks hooks;
    hooks.batch_of = [&](uint64_t step) -> Result<std::optional<protocol::StepBatch>> {
      if (step == all.size()) return std::optional<protocol::StepBatch>();
      return all[step];
    };
    hooks.on_version = [&](const ReplayPosition& at) -> Result<bool> {
      if (!at.outcome) return true;
      losses.push_back(at.outcome->loss);
      EXPECT_LE(metric(*at.outcome, "sampling/importance_sampling_ratio/min"), 1 + 1e-5);
      return true;
    };
    ReplayOptions options{learner_options("x"), {}};
    options.learner.checkpoint_dir.clear();
    value_of(replay_steps(options, collective, hooks, {}));
    return losses;
  };
  const auto together = losses(*ranks);
  if (ranks->rank() == 0) {
    const auto alone = single_rank_collective();
    const auto single = losses(*alone);
    for (size_t i = 0; i < single.size(); ++i) EXPECT_NEAR(together[i], single[i], 1e-5) << i;
  }
  ok(ranks->barrier());
}

// The optimizer's shards are cut anew: a checkpoint of N ranks goes on with one.
TEST(Ranks, ACheckpointOfSeveralRanksLoadsWithOne) {
  const auto all = batches();
  const LearnerOptions options = learner_options("shards");
  auto state = value_of(LearnerState::load(options, *ranks, options.model_dir));
  value_of(state->step(all[0]));
  CheckpointStore store(posix_file_system(), options.checkpoint_dir);
  value_of(state->save(store, {}));
  const double next = value_of(state->step(all[1])).loss;
  const double after = value_of(state->step(all[2])).loss;
  if (ranks->rank() == 0) {
    const auto alone = single_rank_collective();
    auto resumed = value_of(LearnerState::load(options, *alone, store.path_of(1)));
    EXPECT_EQ(resumed->version(), 1u);
    EXPECT_NEAR(value_of(resumed->step(all[1])).loss, next, 1e-5);
    EXPECT_NEAR(value_of(resumed->step(all[2])).loss, after, 1e-5);
  }
  ok(ranks->barrier());
}

}  // namespace
}  // namespace prosodia

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  auto collective = prosodia::make_collective();
  if (!collective) {
    std::fprintf(stderr, "%s\n", collective.error().message.c_str());
    return 1;
  }
  prosodia::ranks = collective->get();
  return RUN_ALL_TESTS();
}
