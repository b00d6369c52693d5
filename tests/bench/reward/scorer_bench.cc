// Responses a second of the reward-model scorer, one thread: a group's responses together (prompt and audio once) and
// each alone (what a judge behind an interface that takes one response does). Random weights: grading costs the same.
//   scorer_bench --benchmark_counters_tabular=true
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>

#include "data/base/philox.h"
#include "data/text/bpe_trainer.h"
#include "workers/model/create.h"
#include "workers/model/model.h"
#include "workers/reward/rm_grader.h"

namespace prosodia {
namespace {

struct Shape {
  CreateOptions model;
  int64_t audio_seconds, question_tokens, response_tokens;
};

// The demo's model on two seconds of speech, and one of 27 M parameters on eight with a long instruction.
Shape shape_of(int64_t which) {
  if (which == 0) return {{}, 2, 30, 40};
  return {{.audio_d_model = 256,
           .audio_layers = 4,
           .text_hidden = 512,
           .text_layers = 8,
           .text_heads = 8,
           .text_kv_heads = 2,
           .text_intermediate = 1408},
          8,
          300,
          120};
}

class Group {
 public:
  Group(const Shape& shape, int count)
      : tokenizer_(train_bpe({"{\"a\":1}"}, 300, omni_added_tokens()).value()),
        model_(Model::random(make_config(shape.model, tokenizer_).value(), 7)) {
    for (size_t j = 0; j < kNumRmScores; ++j) slots_.forced[j] = random_ids(8);
    for (int d = 0; d < AnswerSlots::kDigits; ++d) slots_.digit_ids[static_cast<size_t>(d)] = 10 + d;
    auto mel = std::make_shared<LogMel>(LogMel{128, 100 * shape.audio_seconds, {}});
    mel->values.resize(static_cast<size_t>(mel->num_mel_bins * mel->num_frames), 0.1f);
    EncodedPrompt shared;
    shared.clips.push_back(mel);
    shared.token_ids.insert(shared.token_ids.end(), static_cast<size_t>(num_audio_tokens(mel->num_frames)),
                            model_->config().audio_token_id);
    append(shared, shape.question_tokens);
    for (int k = 0; k < count; ++k) {
      prompts_.push_back(shared);
      append(prompts_.back(), shape.response_tokens);
    }
    for (const EncodedPrompt& prompt : prompts_) pointers_.push_back(&prompt);
  }

  RmGrader grader() const { return {*model_, slots_, {.min_digit_mass = 0}}; }
  std::span<const EncodedPrompt* const> prompts() const { return pointers_; }

 private:
  std::vector<int32_t> random_ids(int64_t count) {
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(noise_.next_below(250)));
    return ids;
  }
  void append(EncodedPrompt& prompt, int64_t count) {
    const auto ids = random_ids(count);
    prompt.token_ids.insert(prompt.token_ids.end(), ids.begin(), ids.end());
  }

  PhiloxStream noise_{3};
  Tokenizer tokenizer_;
  std::unique_ptr<Model> model_;
  AnswerSlots slots_;
  std::vector<EncodedPrompt> prompts_;
  std::vector<const EncodedPrompt*> pointers_;
};

// A new grader each time, so that the clip is encoded as for a new row.
void Together(benchmark::State& state) {
  at::set_num_threads(1);
  const Group group(shape_of(state.range(0)), static_cast<int>(state.range(1)));
  for (auto _ : state) {
    state.PauseTiming();
    RmGrader grader = group.grader();
    state.ResumeTiming();
    benchmark::DoNotOptimize(grader.grade(group.prompts(), {}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
void EachAlone(benchmark::State& state) {
  at::set_num_threads(1);
  const Group group(shape_of(state.range(0)), static_cast<int>(state.range(1)));
  for (auto _ : state) {
    for (size_t k = 0; k < group.prompts().size(); ++k) {
      state.PauseTiming();
      RmGrader grader = group.grader();
      state.ResumeTiming();
      benchmark::DoNotOptimize(grader.grade(group.prompts().subspan(k, 1), {}));
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(EachAlone)->Args({0, 8})->Args({1, 8})->Unit(benchmark::kMillisecond);
BENCHMARK(Together)->Args({0, 8})->Args({1, 8})->Args({1, 16})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace prosodia
