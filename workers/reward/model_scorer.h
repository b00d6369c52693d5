// ModelScorer: the reasoning reward model as a ReasoningScorer (--reasoning_scorer reward_model --reward_model DIR).
//
// A group's responses are put to the model in the words of data/corpus/rm_row.h, those it was trained on, with the
// row's audio; grades come from rm_grader.h. A row that cannot be read or audio that cannot be decoded is kError for
// the whole group, with the reason.
//
// Thread rule: as ReasoningScorer. Failure rule of open(): as load_model and Processor::load; kInvalidInput for a card
// (data/corpus/rm_card.h) that says the model learned another wording, or a tokenizer without digit tokens.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "data/corpus/rm_card.h"
#include "reward/reasoning_scorer.h"
#include "workers/model/load.h"
#include "workers/reward/rm_grader.h"

namespace prosodia {

struct ModelScorerOptions {
  std::filesystem::path model_dir;  // full Qwen2.5-Omni, Thinker, or adapter folder
  ModelOptions model;
  RmGraderOptions grader;
};

class ModelScorer : public ReasoningScorer {
 public:
  // A folder without a card is taken (an untrained reward model is the paper's ablation) and logged as a warning; it is
  // asked in the paper's words.
  static Result<std::unique_ptr<ModelScorer>> open(const ModelScorerOptions& options);
  // The same for a model at hand.
  static Result<std::unique_ptr<ModelScorer>> make(std::shared_ptr<const Model> model,
                                                   std::shared_ptr<const Processor> processor, PromptStyle style,
                                                   const RmGraderOptions& options);
  ~ModelScorer() override;

  std::vector<ReasoningScore> score(const ScoringRequest& request, std::stop_token stop) override;
  std::string_view scorer_name() const override { return "reward_model"; }

 private:
  ModelScorer(std::shared_ptr<const Model> model, std::shared_ptr<const Processor> processor, PromptStyle style,
              AnswerSlots slots, const RmGraderOptions& options);
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Processor> processor_;
  const PromptStyle style_;
  RmGrader grader_;
};

}  // namespace prosodia
