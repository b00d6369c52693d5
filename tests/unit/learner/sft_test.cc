#include "workers/learner/sft.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "data/store/checkpoint_dir.h"
#include "tests/unit/learner/sft_test_support.h"
#include "workers/learner/mixture.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::HasSubstr;

TEST_F(SftTest, LearnsAndWritesAFolderThatLoads) {
  SftOptions wanted = options("out");
  wanted.max_steps = 25;
  LogSink sink;
  wanted.sink = &sink;
  const SftReport report = train(wanted);
  EXPECT_EQ(report.steps, 25);
  EXPECT_LT(report.last_loss, 0.3 * report.first_loss) << report.first_loss << " -> " << report.last_loss;
  const auto& logs = sink.logs;
  ASSERT_EQ(logs.size(), 25u);
  EXPECT_EQ(logs[0].learning_rate, 0) << "transformers' warm-up starts at 0";
  EXPECT_GT(logs[0].num_input_tokens, logs[0].num_tokens);
  EXPECT_EQ(logs[1].num_input_tokens_seen, logs[0].num_input_tokens + logs[1].num_input_tokens);
  EXPECT_EQ(sink.finishes, 1);
  EXPECT_TRUE(load_model(dir_ / "out"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "out" / "tokenizer.json"));
}

// A line's loss is the mean over the steps since the line before, as transformers logs it; a stop between two lines
// changes nothing of it.
TEST_F(SftTest, ALineCoversTheStepsSinceTheOneBefore) {
  SftOptions each = options("each"), some = options("some");
  LogSink every, third;
  each.sink = &every;
  some.sink = &third;
  some.logging_steps = 3;
  train(each);
  int asked = 0;
  some.stop_requested = [&] { return ++asked == 2; };
  EXPECT_FALSE(train_sft(some, *ranks_));
  some.stop_requested = nullptr;
  train(some);
  EXPECT_EQ(third.first, 3);
  ASSERT_EQ(third.logs.size(), 2u);
  for (size_t line = 0; line < 2; ++line) {
    double sum = 0;
    for (size_t i = 3 * line; i < 3 * line + 3; ++i) sum += every.logs[i].loss;
    EXPECT_DOUBLE_EQ(third.logs[line].loss, sum / 3);
    EXPECT_EQ(third.logs[line].grad_norm, every.logs[3 * line + 2].grad_norm);
    EXPECT_EQ(third.logs[line].num_input_tokens_seen, every.logs[3 * line + 2].num_input_tokens_seen);
  }
}

TEST_F(SftTest, AFailingSinkEndsTheRunBeforeItsCheckpoint) {
  SftOptions wanted = options("out");
  LogSink sink;
  sink.fails_at = 2;
  wanted.sink = &sink;
  wanted.save_steps = 2;
  const auto report = train_sft(wanted, *ranks_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kStorage);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "out/checkpoints/step-000002"));
}

TEST_F(SftTest, ASecondRunInTheFolderIsRefusedByName) {
  CheckpointStore store(posix_file_system(), dir_ / "out" / "checkpoints");
  {
    const auto held = value_of(store.lock());
    const auto report = train_sft(options("out"), *ranks_);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(report.error().message, HasSubstr(fmt::format("process {}", getpid())));
  }
  EXPECT_TRUE(train_sft(options("out"), *ranks_));
}

// In bfloat16 the checkpoint also carries the float32 masters.
class SftDtypes : public SftTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Dtypes, SftDtypes, testing::Values("float32", "bfloat16"),
                         [](const auto& info) { return std::string(info.param); });
TEST_P(SftDtypes, AnInterruptedRunEndsWithTheSameBits) {
  SftOptions uninterrupted = options("straight");
  uninterrupted.model.dtype = GetParam();
  const SftReport straight = train(uninterrupted);
  SftOptions stopped = options("stopped");
  stopped.model.dtype = GetParam();
  int asked = 0;
  stopped.stop_requested = [&] { return ++asked == 3; };
  const auto interrupted = train_sft(stopped, *ranks_);
  ASSERT_FALSE(interrupted);
  EXPECT_EQ(interrupted.error().code, ErrorCode::kInterrupted);
  stopped.stop_requested = nullptr;
  const SftReport resumed = train(stopped);
  EXPECT_EQ(resumed.resumed_from, 3);
  EXPECT_EQ(resumed.losses, std::vector<double>(straight.losses.begin() + 3, straight.losses.end()));
  EXPECT_EQ(weights_hex(dir_ / "stopped"), weights_hex(dir_ / "straight"));
  EXPECT_EQ(train(stopped).steps, 6) << "a finished run has nothing left to do";
}

TEST_F(SftTest, TheMicroBatchSplitDoesNotChangeTheLoss) {
  const SftReport whole = train(options("whole"));
  SftOptions split = options("split");
  split.max_tokens_per_micro_batch = 30;
  const SftReport parts = train(split);
  for (size_t i = 0; i < whole.losses.size(); ++i)
    EXPECT_NEAR(parts.losses[i], whole.losses[i], 2e-4 * whole.losses[i]) << i;
}

TEST_F(SftTest, FrozenPartsKeepTheirBits) {
  SftOptions frozen = options("frozen");
  frozen.freeze = value_of(FreezeSpec::parse("audio_tower,projector,embeddings"));
  train(frozen);
  const auto before = value_of(load_model(dir_ / "model")), after = value_of(load_model(dir_ / "frozen"));
  for (size_t p = 0; p < before->parameters().size(); ++p) {
    const auto& [name, tensor] = before->parameters()[p];
    if (tensor.dim() < 2) continue;
    EXPECT_EQ(at::equal(tensor, after->parameters()[p].tensor), frozen.freeze.freezes(name)) << name;
  }
}

TEST_F(SftTest, FrozenAudioIsEncodedOnceAndGivesTheSameBits) {
  SftOptions cached = options("cached");
  cached.freeze = value_of(FreezeSpec::parse("audio_tower,projector"));
  const SftReport a = train(cached);
  SftOptions fresh = options("fresh");
  fresh.freeze = value_of(FreezeSpec::parse("audio_tower"));  // the projector trains, at rate 0 in the first step
  const SftReport b = train(fresh);
  EXPECT_EQ(a.losses[0], b.losses[0]);
}

TEST_F(SftTest, MistakesAreNamed) {
  std::ofstream(dir_ / "open.jsonl") << prompt_row(1) << "\n";
  SftOptions wrong = options("wrong");
  wrong.datasets = {{dir_ / "open.jsonl", {}}};
  const auto open = train_sft(wrong, *ranks_);
  ASSERT_FALSE(open);
  EXPECT_THAT(open.error().message, HasSubstr("open.jsonl:1"));
  wrong = options("wrong");
  wrong.max_length = 5;
  EXPECT_THAT(train_sft(wrong, *ranks_).error().message, HasSubstr("max_length"));

  SftOptions first = options("changed");
  first.max_steps = 2;
  train(first);
  first.max_steps = 4;
  EXPECT_THAT(train_sft(first, *ranks_).error().message, HasSubstr("max_steps"));
}

// A continuation with anything else that decides the result is refused, by name.
TEST_F(SftTest, AContinuationIsTheSameRun) {
  SftOptions first = options("same");
  first.max_steps = 1;
  train(first);
  std::filesystem::copy(dir_ / "train.jsonl", dir_ / "other.jsonl");
  std::filesystem::copy(dir_ / "model", dir_ / "other-model");
  auto changed = value_of(load_model(dir_ / "model"));
  changed->parameters()[0].tensor.add_(0.5);
  ok(changed->save(dir_ / "other-model"));
  const std::vector<std::pair<const char*, std::function<void(SftOptions&)>>> changes = {
      {"dataset",
       [&](SftOptions& o) {
         o.datasets = {{dir_ / "other.jsonl", {}}};
       }},
      {"dataset", [&](SftOptions& o) { o.datasets[0].weight = 0.5; }},
      {"gradient_accumulation_steps", [](SftOptions& o) { o.gradient_accumulation_steps = 2; }},
      {"learning_rate", [](SftOptions& o) { o.learning_rate = 1; }},
      {"lr_scheduler_type", [](SftOptions& o) { o.lr_scheduler_type = LrSchedulerType::kLinear; }},
      {"seed", [](SftOptions& o) { o.seed = 4; }},
      {"token_budget", [](SftOptions& o) { o.max_tokens_per_micro_batch = 100; }},
      {"freeze", [](SftOptions& o) { o.freeze = value_of(FreezeSpec::parse("projector")); }},
      {"eval_dataset", [&](SftOptions& o) { o.eval_datasets = {dir_ / "other.jsonl"}; }},
      {"eval_steps", [](SftOptions& o) { o.eval_steps = 2; }},
      {"number of stages",
       [](SftOptions& o) {
         o.stages = {o, o};
       }},
      {"model", [&](SftOptions& o) { o.model_dir = dir_ / "other-model"; }},
      {"use_peft", [](SftOptions& o) { o.model.lora = LoraOptions{.r = 2}; }},
      {"warmup_steps", [](SftOptions& o) { o.warmup_steps = 0; }},
      {"warmup_ratio", [](SftOptions& o) { o.warmup_ratio = 0.5; }},
      {"adam_beta1", [](SftOptions& o) { o.adamw.beta1 = 0.8; }},
      {"adam_beta2", [](SftOptions& o) { o.adamw.beta2 = 0.99; }},
      {"adam_epsilon", [](SftOptions& o) { o.adamw.eps = 1e-6; }},
      {"weight_decay", [](SftOptions& o) { o.adamw.weight_decay = 0.1; }},
      {"max_grad_norm", [](SftOptions& o) { o.adamw.max_grad_norm = 2; }},
  };
  for (const auto& [key, change] : changes) {
    SftOptions again = first;
    change(again);
    const auto refused = train_sft(again, *ranks_);
    ASSERT_FALSE(refused) << key;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
    EXPECT_THAT(refused.error().message, HasSubstr(key));
  }
  std::ofstream(dir_ / "train.jsonl", std::ios::app) << "\n\n";  // the same rows in other bytes
  EXPECT_THAT(train_sft(first, *ranks_).error().message, HasSubstr("dataset"));
  std::filesystem::copy(dir_ / "other.jsonl", dir_ / "train.jsonl", std::filesystem::copy_options::overwrite_existing);
  SftOptions bf16 = first;
  bf16.model.dtype = "bfloat16";
  EXPECT_THAT(train_sft(bf16, *ranks_).error().message, HasSubstr("dtype"));
  EXPECT_TRUE(train_sft(first, *ranks_));
}

// What a library throws on one rank must come back as an error: the process then ends the ranks that wait for it.
TEST_F(SftTest, AnExceptionIsAnError) {
  SftOptions throwing = options("throwing");
  throwing.eval_steps = 1;
  throwing.on_eval = [](int64_t, const Model&, const Processor&) -> Status { throw std::runtime_error("no memory"); };
  const auto report = train_sft(throwing, *ranks_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInternal);
  EXPECT_THAT(report.error().message, HasSubstr("no memory"));
}

TEST(MixtureOrder, KeepsSharesInEveryPrefixAndCoversEachPass) {
  MixtureOrder order({10, 30}, {1.0, 1.0}, 5);
  std::vector<int> taken(2), seen(10);
  for (int n = 1; n <= 40; ++n) {
    const auto draw = order.next();
    ++taken[static_cast<size_t>(draw.dataset)];
    EXPECT_LE(std::abs(taken[0] - taken[1]), 1) << n;
    if (draw.dataset == 0) ++seen[static_cast<size_t>(draw.row)];
  }
  EXPECT_EQ(seen, std::vector<int>(10, 2)) << "two whole passes of the smaller set";
}

TEST(MixtureOrder, SkippingIsDrawing) {
  MixtureOrder a({7, 5}, {7, 5}, 9), b({7, 5}, {7, 5}, 9);
  for (int i = 0; i < 23; ++i) (void)a.next();
  b.skip(23);
  for (int i = 0; i < 20; ++i) {
    const auto x = a.next(), y = b.next();
    EXPECT_EQ(x.dataset, y.dataset);
    EXPECT_EQ(x.row, y.row);
  }
}

}  // namespace
}  // namespace prosodia
