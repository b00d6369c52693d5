#include "workers/learner/sft.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/learner/fixtures.h"
#include "workers/learner/mixture.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class SftTest : public testing::Test {
 protected:
  SftTest() : ranks_(single_rank_collective()) {
    write_model_dir(dir_ / "model");
    for (const char* clip : {"a.wav", "b.wav"}) std::filesystem::copy(dir_ / "model" / clip, dir_ / clip);
    write_sft_dataset(dir_ / "train.jsonl", 12);
  }
  SftOptions options(const std::string& out) const {
    SftOptions options;
    options.model_dir = dir_ / "model";
    options.output_dir = dir_ / out;
    options.datasets = {{dir_ / "train.jsonl", {}}};
    options.per_device_train_batch_size = 4;
    options.max_steps = 6;
    options.learning_rate = 3e-3;
    options.lr_scheduler_type = LrSchedulerType::kCosine;
    options.warmup_steps = 1;
    options.logging_steps = 1;
    options.seed = 3;
    return options;
  }
  SftReport train(const SftOptions& options) { return value_of(train_sft(options, *ranks_)); }

  TempDir dir_;
  std::unique_ptr<Collective> ranks_;
};

TEST_F(SftTest, LearnsAndWritesAFolderThatLoads) {
  SftOptions wanted = options("out");
  wanted.max_steps = 25;
  std::vector<SftLog> logs;
  wanted.on_log = [&](const SftLog& log) { logs.push_back(log); };
  const SftReport report = train(wanted);
  EXPECT_EQ(report.steps, 25);
  EXPECT_LT(report.last_loss, 0.3 * report.first_loss) << report.first_loss << " -> " << report.last_loss;
  ASSERT_EQ(logs.size(), 25u);
  EXPECT_EQ(logs[0].learning_rate, 0) << "transformers' warm-up starts at 0";
  EXPECT_GT(logs[0].num_input_tokens, logs[0].num_tokens);
  EXPECT_TRUE(load_model(dir_ / "out"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "out" / "tokenizer.json"));
  std::ifstream metrics(dir_ / "out" / "metrics.jsonl");
  EXPECT_EQ(std::count(std::istreambuf_iterator<char>(metrics), {}, '\n'), 25);
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
  std::ifstream metrics(dir_ / "stopped" / "metrics.jsonl");
  EXPECT_EQ(std::count(std::istreambuf_iterator<char>(metrics), {}, '\n'), 6);
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
  const std::vector<std::pair<const char*, std::function<void(SftOptions&)>>> changes = {
      {"datasets",
       [&](SftOptions& o) {
         o.datasets = {{dir_ / "other.jsonl", {}}};
       }},
      {"datasets", [&](SftOptions& o) { o.datasets[0].weight = 0.5; }},
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
