#include "orchestrator/cli/commands/dry_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "data/corpus/audio_store.h"
#include "orchestrator/cli/commands/doctor_plan.h"
#include "workers/learner/sft_stage.h"
#include "workers/model/processor.h"

namespace prosodia::cli {
namespace {

constexpr size_t kPromptsShown = 2;
constexpr double kFramesPerSecond = 100;  // of log-mels

// The ids as text; a clip's placeholders, one for each of its tokens, become "<|AUDIO|> x 48".
std::string readable(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
  constexpr size_t kRun = 4;
  const auto text_of = [&](size_t begin, size_t end) {
    return tokenizer.decode(ids.subspan(begin, end - begin), /*skip_special=*/false);
  };
  std::string text;
  size_t plain = 0;  // from here on nothing is printed yet
  for (size_t begin = 0; begin < ids.size();) {
    size_t end = begin + 1;
    while (end < ids.size() && ids[end] == ids[begin]) ++end;
    if (end - begin >= kRun) {
      text += text_of(plain, begin) + fmt::format("{} x {}", text_of(begin, begin + 1), end - begin);
      plain = end;
    }
    begin = end;
  }
  return text + text_of(plain, ids.size());
}

struct PromptFacts {
  int64_t tokens = 0;  // of the longest one shown
  double audio_seconds = 0;
};

Result<PromptFacts> print_first_rows(const std::filesystem::path& model, std::span<const Sample> rows,
                                     bool generation_prompt) {
  PROSODIA_ASSIGN(const auto processor, Processor::load(model, std::make_shared<AudioStore>()));
  PromptFacts facts;
  for (const Sample& row : rows.first(std::min(kPromptsShown, rows.size()))) {
    PROSODIA_ASSIGN(const EncodedPrompt prompt, processor->encode(row, generation_prompt));
    const auto tokens = static_cast<int64_t>(prompt.token_ids.size());
    facts.tokens = std::max(facts.tokens, tokens);
    double seconds = 0;
    for (const auto& clip : prompt.clips) seconds += static_cast<double>(clip->num_frames) / kFramesPerSecond;
    facts.audio_seconds = std::max(facts.audio_seconds, seconds);
    fmt::print("\n{}, {} tokens{}:\n{}\n", row.origin, tokens,
               row.solution.empty() ? "" : fmt::format(", solution '{}'", row.solution),
               readable(processor->tokenizer(), prompt.token_ids));
  }
  fmt::print("\n");
  return facts;
}

}  // namespace

Status print_train_plan(const Options& options, const launch::Layout& layout, std::span<const Sample> rows) {
  const int64_t prompts = options.integer("prompts_per_step"), group = options.integer("num_generations");
  const int64_t steps = options.integer("max_steps"), longest = options.integer("max_completion_length");
  const double passes = static_cast<double>(steps * prompts) / static_cast<double>(std::max<size_t>(rows.size(), 1));
  fmt::print(
      "data: {} rows; {} steps x {} prompts = {} groups, {:.2f} passes over the rows; {} responses in all\n"
      "step: {} responses of at most {} tokens = {} sampled tokens at most; about {} group(s) for each of {} learner "
      "rank(s), packed into micro-batches of {} tokens; {} update(s) a batch\n"
      "checkpoints: every {} steps, the newest {} are kept\n",
      rows.size(), steps, prompts, steps * prompts, passes, steps * prompts * group, prompts * group, longest,
      prompts * group * longest, (prompts + layout.learners - 1) / layout.learners, layout.learners,
      options.integer("token_budget"), options.integer("num_iterations"), options.integer("save_steps"),
      options.integer("save_total_limit"));
  PROSODIA_ASSIGN(const PromptFacts facts, print_first_rows(options.text("model"), rows, /*generation_prompt=*/true));
  return print_memory_of_run(options, std::max<int64_t>(facts.tokens, 1), facts.audio_seconds);
}

Status print_supervised_plan(const SftOptions& sft, int ranks) {
  PROSODIA_TRY(validate_sft(sft));
  std::vector<Sample> first;
  for (const SftStage& stage : stages_of(sft)) {
    size_t rows = 0;
    for (const SftDataset& dataset : stage.datasets) {
      PROSODIA_ASSIGN(std::vector<Sample> samples, read_dataset(dataset.path));
      PROSODIA_TRY(check_audio_files(samples));
      rows += samples.size();
      if (first.empty()) first = std::move(samples);
    }
    const int64_t batch = stage.per_device_train_batch_size * stage.gradient_accumulation_steps * ranks;
    const double per_epoch = static_cast<double>(rows) / static_cast<double>(batch);
    const int64_t steps =
        stage.max_steps > 0 ? stage.max_steps
                            : std::max<int64_t>(1, static_cast<int64_t>(std::ceil(stage.num_train_epochs * per_epoch)));
    fmt::print(
        "plan{}: {} rows; batch of {} conversations = {} a rank x {} accumulation step(s) x {} rank(s); {:.1f} steps "
        "an epoch, {} steps; micro-batches of {} tokens; peak learning rate {}\n",
        stage.name.empty() ? "" : fmt::format(" of stage [{}]", stage.name), rows, batch,
        stage.per_device_train_batch_size, stage.gradient_accumulation_steps, ranks, per_epoch, steps,
        stage.max_tokens_per_micro_batch, stage.learning_rate);
  }
  PROSODIA_TRY(print_first_rows(sft.model_dir, first, /*generation_prompt=*/false));
  return {};
}

}  // namespace prosodia::cli
