// Evaluation during SFT: its numbers, their bits, the best model, early stopping.
#include "workers/learner/sft_eval.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "data/store/checkpoint_dir.h"
#include "tests/unit/learner/sft_test_support.h"
#include "workers/learner/sft_data.h"
#include "workers/learner/sft_progress.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::ElementsAre;
using testing::HasSubstr;

class SftEvaluationTest : public SftTest {
 protected:
  SftEvaluationTest() {
    write_sft_dataset(dir_ / "eval.jsonl", 7);
    processor_ = value_of(Processor::load(dir_ / "model", std::make_shared<AudioStore>()));
  }
  SftEvaluation evaluate(const Model& model, int64_t max_tokens) {
    return value_of(value_of(SftEvalSet::load({dir_ / "eval.jsonl"}, *processor_, 1000, max_tokens, *ranks_))
                        ->evaluate(model, nullptr));
  }
  SftOptions evaluated(const std::string& out) const {
    SftOptions wanted = options(out);
    wanted.eval_datasets = {dir_ / "eval.jsonl"};
    wanted.eval_steps = 2;
    return wanted;
  }
  std::vector<int64_t> checkpoints(const std::string& out) const {
    std::vector<int64_t> steps;
    for (const uint64_t step : CheckpointStore(posix_file_system(), dir_ / out / "checkpoints").steps())
      steps.push_back(static_cast<int64_t>(step));
    return steps;
  }
  std::unique_ptr<Processor> processor_;
};

// From the logits of each conversation alone.
TEST_F(SftEvaluationTest, IsTheMeanOverAllAssistantTokens) {
  SftOptions trained = options("trained");
  trained.max_steps = 12;  // half of the tokens are learnt, so that the accuracy says something
  train(trained);
  const auto model = value_of(load_model(dir_ / "trained"));
  double loss = 0, tokens = 0, right = 0;
  const at::NoGradGuard no_grad;
  for (const Sample& sample : value_of(read_conversations(dir_ / "eval.jsonl"))) {
    const EncodedPrompt one = value_of(encode_conversation(*processor_, sample, 1000));
    PackedBatch batch;
    for (size_t t = 0; t < one.token_ids.size(); ++t) {
      batch.token_ids.push_back(one.token_ids[t]);
      batch.positions.push_back(static_cast<int64_t>(t));
    }
    batch.segments = {{.begin = 0, .end = static_cast<int64_t>(one.token_ids.size())}};
    for (const auto& clip : one.clips) batch.clips.push_back(clip.get());
    const at::Tensor logits = model->logits(model->hidden(batch)).to(at::kDouble);
    const at::Tensor logp = logits.log_softmax(1);
    for (size_t t = 1; t < one.token_ids.size(); ++t) {
      if (!one.assistant_mask[t]) continue;
      const auto row = static_cast<int64_t>(t) - 1;
      loss -= logp[row][one.token_ids[t]].item<double>();
      right += logits[row].argmax().item<int64_t>() == one.token_ids[t];
      ++tokens;
    }
  }
  const SftEvaluation found = evaluate(*model, 8192);
  EXPECT_NEAR(found.loss, loss / tokens, 1e-5 * loss / tokens);
  EXPECT_DOUBLE_EQ(found.mean_token_accuracy, right / tokens);
  EXPECT_GT(right, 0.1 * tokens);
  EXPECT_LT(right, 0.95 * tokens);
  EXPECT_EQ(found.num_tokens, static_cast<int64_t>(tokens));
}

TEST_F(SftEvaluationTest, PackingDoesNotChangeItsBits) {
  const auto model = value_of(load_model(dir_ / "model"));
  const SftEvaluation packed = evaluate(*model, 8192), alone = evaluate(*model, 1);
  EXPECT_EQ(packed.loss, alone.loss);
  EXPECT_EQ(packed.mean_token_accuracy, alone.mean_token_accuracy);
}

TEST_F(SftEvaluationTest, ComesByStepsOrEpochsAndAtTheEnd) {
  const auto steps_of = [&](SftOptions wanted) {
    LogSink sink;
    wanted.sink = &sink;
    wanted.logging_steps = 100;
    train(wanted);
    std::vector<int64_t> steps;
    for (const SftLog& log : sink.logs)
      if (log.evaluation.contains("eval_loss")) steps.push_back(log.step);
    return steps;
  };
  SftOptions wanted = evaluated("steps");
  wanted.max_steps = 5;
  EXPECT_THAT(steps_of(wanted), ElementsAre(2, 4, 5));
  wanted = evaluated("epochs");  // 12 rows, 4 a step: three steps
  wanted.eval_strategy = EvalStrategy::kEpoch;
  wanted.max_steps = 7;
  EXPECT_THAT(steps_of(wanted), ElementsAre(3, 6, 7));
  wanted = evaluated("never");
  wanted.eval_strategy = EvalStrategy::kNo;
  EXPECT_THAT(steps_of(wanted), ElementsAre());
}

TEST_F(SftEvaluationTest, EvaluatingDoesNotChangeTheTraining) {
  train(options("plain"));
  train(evaluated("watched"));
  EXPECT_EQ(weights_hex(dir_ / "plain"), weights_hex(dir_ / "watched"));
}

// "Better" the wrong way round makes the first evaluation the best: its weights are the result, its checkpoint stays.
TEST_F(SftEvaluationTest, EndsWithTheBestModelAndKeepsItsCheckpoint) {
  SftOptions wanted = evaluated("best");
  wanted.max_steps = 8;
  wanted.load_best_model_at_end = true;
  wanted.greater_is_better = true;
  wanted.save_steps = 1;
  wanted.save_total_limit = 2;
  const SftReport report = train(wanted);
  EXPECT_EQ(report.best_step, 2);
  EXPECT_THAT(checkpoints("best"), ElementsAre(2, 7, 8));
  EXPECT_EQ(weights_hex(dir_ / "best"), weights_hex(dir_ / "best/checkpoints/step-000002"));
  EXPECT_NE(weights_hex(dir_ / "best"), weights_hex(dir_ / "best/checkpoints/step-000008"));
  EXPECT_EQ(train(wanted).best_step, 2) << "a finished run stays as it is";
  EXPECT_EQ(weights_hex(dir_ / "best"), weights_hex(dir_ / "best/checkpoints/step-000002"));

  SftOptions lower = wanted;
  lower.output_dir = dir_ / "lower";
  lower.greater_is_better.reset();
  EXPECT_EQ(train(lower).best_step, 8) << "the loss still falls";
}

TEST_F(SftEvaluationTest, PatienceEndsTheRunAndARerunDoesNotGoOn) {
  SftOptions wanted = evaluated("patience");
  wanted.max_steps = 20;
  wanted.early_stopping_patience = 2;
  wanted.greater_is_better = true;  // the loss falls: no evaluation after the first improves
  std::vector<std::string> notes;
  wanted.on_note = [&](const std::string& line) { notes.push_back(line); };
  EXPECT_EQ(train(wanted).steps, 6);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("early stopping after step 6"));
  const SftReport again = train(wanted);
  EXPECT_EQ(again.steps, 6);
  EXPECT_TRUE(again.losses.empty());
}

// The count of bad evaluations and the best so far are part of the state.
TEST_F(SftEvaluationTest, AnInterruptionChangesNeitherTheBestNorThePatience) {
  for (int stop_after = 1; stop_after <= 5; ++stop_after) {
    SftOptions wanted = evaluated(fmt::format("cut-{}", stop_after));
    wanted.max_steps = 20;
    wanted.early_stopping_patience = 2;
    wanted.greater_is_better = true;
    wanted.load_best_model_at_end = true;
    int asked = 0;
    wanted.stop_requested = [&] { return ++asked == stop_after; };
    EXPECT_FALSE(train_sft(wanted, *ranks_)) << stop_after;
    wanted.stop_requested = nullptr;
    const SftReport report = train(wanted);
    EXPECT_EQ(report.steps, 6) << stop_after;
    EXPECT_EQ(report.best_step, 2) << stop_after;
    EXPECT_EQ(weights_hex(wanted.output_dir), weights_hex(wanted.output_dir / "checkpoints/step-000002"));
  }
}

// transformers' EarlyStoppingCallback.check_metric_value and Trainer._determine_best_metric, case by case.
TEST(SftProgressTest, BestAndPatienceAreTransformers) {
  SftStage stage;
  stage.early_stopping_threshold = 0.1;
  SftProgress progress;
  std::vector<std::pair<bool, int64_t>> seen;
  for (const double loss : {1.0, 0.95, 0.94, 1.2, 0.8, std::nan("")}) {
    const bool best = note_evaluation(stage, loss, progress);
    seen.emplace_back(best, progress.evaluations_unimproved);
  }
  // A small step is a new best and still no improvement.
  EXPECT_THAT(seen, ElementsAre(std::pair(true, 0), std::pair(true, 1), std::pair(true, 2), std::pair(false, 3),
                                std::pair(true, 0), std::pair(false, 1)));
  EXPECT_EQ(value_of(best_metric_name(stage)), "eval_loss");
  stage.metric_for_best_model = "mean_token_accuracy";
  EXPECT_EQ(value_of(best_metric_name(stage)), "eval_mean_token_accuracy");
  EXPECT_TRUE(greater_is_better(stage));
  stage.metric_for_best_model = "bleu";
  EXPECT_FALSE(best_metric_name(stage));
}

TEST_F(SftEvaluationTest, MistakesAreNamed) {
  SftOptions wanted = options("wrong");
  wanted.load_best_model_at_end = true;
  EXPECT_THAT(train_sft(wanted, *ranks_).error().message, HasSubstr("load_best_model_at_end needs evaluations"));
  wanted = options("wrong");
  wanted.early_stopping_patience = 1;
  EXPECT_THAT(train_sft(wanted, *ranks_).error().message, HasSubstr("early_stopping_patience needs evaluations"));
  std::ofstream(dir_ / "open.jsonl") << prompt_row(1) << "\n";
  wanted = evaluated("wrong");
  wanted.eval_datasets = {dir_ / "open.jsonl"};
  EXPECT_THAT(train_sft(wanted, *ranks_).error().message, HasSubstr("open.jsonl:1"));
}

}  // namespace
}  // namespace prosodia
