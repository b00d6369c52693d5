#include "workers/reward/model_scorer.h"

#include <spdlog/spdlog.h>

#include "data/base/json.h"
#include "data/corpus/audio_store.h"
#include "data/corpus/rm_row.h"
#include "workers/model/model.h"

namespace prosodia {
namespace {

std::vector<ReasoningScore> errors(size_t count, const std::string& detail) {
  return std::vector<ReasoningScore>(count, ReasoningScore{ScoreStatus::kError, {}, detail});
}

}  // namespace

ModelScorer::ModelScorer(std::shared_ptr<const Model> model, std::shared_ptr<const Processor> processor,
                         PromptStyle style, AnswerSlots slots, const RmGraderOptions& options)
    : model_(std::move(model)),
      processor_(std::move(processor)),
      style_(style),
      grader_(*model_, std::move(slots), options) {}
ModelScorer::~ModelScorer() = default;

Result<std::unique_ptr<ModelScorer>> ModelScorer::make(std::shared_ptr<const Model> model,
                                                       std::shared_ptr<const Processor> processor, PromptStyle style,
                                                       const RmGraderOptions& options) {
  PROSODIA_ASSIGN(AnswerSlots slots, AnswerSlots::find(*processor));
  return std::unique_ptr<ModelScorer>(
      new ModelScorer(std::move(model), std::move(processor), style, std::move(slots), options));
}

Result<std::unique_ptr<ModelScorer>> ModelScorer::open(const ModelScorerOptions& options) {
  PROSODIA_ASSIGN(const std::optional<RmCard> card, read_rm_card(options.model_dir));
  if (card) {
    spdlog::info("reward model {}: {} prompts, {} steps on {} loss", options.model_dir.string(),
                 name(card->prompt_style), card->steps, card->loss);
  } else {
    spdlog::warn(
        "{} holds no {}: no reward model that `prosodia train-rm` made. It grades as it is, asked in the paper's "
        "words, which is the ablation without a trained reward model",
        options.model_dir.string(), kRmCardFile);
  }
  PROSODIA_ASSIGN(std::shared_ptr<const Processor> processor,
                  Processor::load(options.model_dir, std::make_shared<AudioStore>()));
  PROSODIA_ASSIGN(std::shared_ptr<const Model> model, load_model(options.model_dir, options.model));
  return make(std::move(model), std::move(processor), card ? card->prompt_style : PromptStyle::kPaper, options.grader);
}

std::vector<ReasoningScore> ModelScorer::score(const ScoringRequest& request, std::stop_token stop) {
  const size_t count = request.responses.size();
  const auto row = parse_sample(dump_line(request.row), "/", "the row", 1);
  if (!row) return errors(count, row.error().message);
  const std::string question = rm_question(row->messages);
  std::vector<Sample> asked(count);
  for (size_t i = 0; i < count; ++i) {
    asked[i].messages =
        rm_messages(style_, {.num_audios = row->audios.size(), .question = question, .response = request.responses[i]});
    asked[i].audios = row->audios;
    asked[i].origin = row->origin;
  }
  return grade_samples(grader_, *processor_, asked, stop);
}

}  // namespace prosodia
