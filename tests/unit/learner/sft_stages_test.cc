// A run of several stages: what each changes, how one follows on another, going on inside the right one.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "tests/unit/learner/sft_test_support.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class SftStages : public SftTest {
 protected:
  SftStages() { write_sft_dataset(dir_ / "second.jsonl", 5); }
  // Two stages of three and four steps: other data, another rate, other frozen parts.
  SftOptions staged(const std::string& out) const {
    SftOptions wanted = options(out);
    SftStage first = wanted, second = wanted;
    first.name = "prosody";
    first.max_steps = 3;
    first.freeze = value_of(FreezeSpec::parse("projector,embeddings"));
    second.name = "coldstart";
    second.max_steps = 4;
    second.learning_rate = 1e-3;
    second.datasets = {{dir_ / "second.jsonl", 0.75}, {dir_ / "train.jsonl", 0.25}};
    second.freeze = value_of(FreezeSpec::parse("audio_tower"));
    wanted.stages = {first, second};
    return wanted;
  }
};

TEST_F(SftStages, AStageBeginsWithTheWeightsOfTheOneBefore) {
  SftOptions wanted = staged("staged");
  LogSink sink;
  wanted.sink = &sink;
  wanted.save_steps = 3;
  wanted.save_total_limit = 10;
  const SftReport report = train(wanted);
  EXPECT_EQ(report.steps, 7);
  ASSERT_EQ(sink.logs.size(), 7u) << "one run, one count of steps";
  EXPECT_EQ(sink.total, 7);
  EXPECT_EQ(sink.logs[2].stage_name, "prosody");
  EXPECT_EQ(sink.logs[3].stage_name, "coldstart");
  EXPECT_EQ(sink.logs[3].step, 4);
  EXPECT_EQ(sink.logs[3].learning_rate, 0) << "the second stage has its own warm-up";
  EXPECT_DOUBLE_EQ(sink.logs[3].epoch, 4 / 17.0);

  // The first alone gives what the second began with.
  SftOptions alone = staged("alone");
  static_cast<SftStage&>(alone) = alone.stages[0];
  alone.stages.clear();
  train(alone);
  EXPECT_EQ(weights_hex(dir_ / "alone"), weights_hex(dir_ / "staged/checkpoints/step-000003"));

  // Each stage froze its own parts.
  const auto base = value_of(load_model(dir_ / "model")), middle = value_of(load_model(dir_ / "alone")),
             end = value_of(load_model(dir_ / "staged"));
  const auto same = [](const Model& a, const Model& b, const char* name) {
    return at::equal(*a.find(name), *b.find(name));
  };
  EXPECT_TRUE(same(*base, *middle, "audio_tower.proj.weight"));
  EXPECT_FALSE(same(*middle, *end, "audio_tower.proj.weight"));
  EXPECT_FALSE(same(*base, *middle, "audio_tower.conv1.weight"));
  EXPECT_TRUE(same(*middle, *end, "audio_tower.conv1.weight"));
}

class SftStagesCut : public SftStages, public testing::WithParamInterface<std::pair<const char*, int>> {};
INSTANTIATE_TEST_SUITE_P(Cuts, SftStagesCut,
                         testing::Values(std::pair("float32", 2), std::pair("float32", 3), std::pair("float32", 4),
                                         std::pair("float32", 6), std::pair("bfloat16", 3), std::pair("bfloat16", 5),
                                         std::pair("lora", 2), std::pair("lora", 3), std::pair("lora", 5)),
                         [](const auto& info) { return fmt::format("{}_{}", info.param.first, info.param.second); });

// Stopped anywhere, also exactly between the stages, the run ends with the same bits.
TEST_P(SftStagesCut, GoesOnInsideTheRightStage) {
  const auto configure = [&](SftOptions wanted) {
    if (std::string_view(GetParam().first) == "bfloat16") wanted.model.dtype = "bfloat16";
    if (std::string_view(GetParam().first) == "lora") {
      wanted.model.lora = LoraOptions{.r = 4, .lora_alpha = 8, .seed = 3};
      wanted.stages[0].freeze = value_of(FreezeSpec::parse("layers.0"));
      wanted.stages[1].freeze = {};
    }
    return wanted;
  };
  const SftReport straight = train(configure(staged("straight")));
  SftOptions cut = configure(staged("cut"));
  int asked = 0;
  cut.stop_requested = [&] { return ++asked == GetParam().second; };
  const auto stopped = train_sft(cut, *ranks_);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted);
  cut.stop_requested = nullptr;
  const SftReport resumed = train(cut);
  EXPECT_EQ(resumed.resumed_from, GetParam().second);
  EXPECT_EQ(resumed.losses, std::vector<double>(straight.losses.begin() + GetParam().second, straight.losses.end()));
  EXPECT_EQ(weights_hex(dir_ / "cut"), weights_hex(dir_ / "straight"));
}

// The best of stage one is what stage two begins with, before and after an interruption.
TEST_F(SftStages, TheNextStageBeginsWithTheBestOfTheOneBefore) {
  const auto best_first = [&](const std::string& out) {
    SftOptions wanted = staged(out);
    wanted.stages[0].eval_datasets = {dir_ / "second.jsonl"};
    wanted.stages[0].eval_steps = 1;
    wanted.stages[0].greater_is_better = true;  // step 1 is the best
    wanted.stages[0].load_best_model_at_end = true;
    return wanted;
  };
  const SftReport straight = train(best_first("straight"));
  EXPECT_NE(straight.losses, train(staged("plain")).losses);
  for (const int stop_after : {3, 4}) {
    SftOptions cut = best_first(fmt::format("cut-{}", stop_after));
    int asked = 0;
    cut.stop_requested = [&] { return ++asked == stop_after; };
    EXPECT_FALSE(train_sft(cut, *ranks_));
    cut.stop_requested = nullptr;
    train(cut);
    EXPECT_EQ(weights_hex(cut.output_dir), weights_hex(dir_ / "straight")) << stop_after;
  }
}

TEST_F(SftStages, ADifferenceNamesTheStage) {
  SftOptions wanted = staged("out");
  train(wanted);
  wanted.stages[1].learning_rate = 0.5;
  const auto refused = train_sft(wanted, *ranks_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
  EXPECT_THAT(refused.error().message, HasSubstr("stage 2 (coldstart): learning_rate = 0.001, this one has 0.5"));
  wanted = staged("out");
  wanted.stages[1].datasets[0].weight = 0.5;
  EXPECT_THAT(train_sft(wanted, *ranks_).error().message, HasSubstr("stage 2 (coldstart): dataset"));
  wanted = staged("fresh");
  wanted.stages[1].learning_rate = -1;
  EXPECT_THAT(train_sft(wanted, *ranks_).error().message, HasSubstr("stage 2 (coldstart)"));
}

}  // namespace
}  // namespace prosodia
