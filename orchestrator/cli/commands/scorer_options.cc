#include "orchestrator/cli/commands/scorer_options.h"

#include "data/corpus/rm_card.h"
#include "orchestrator/cli/commands/model_options.h"
#include "workers/model/config.h"
#include "workers/model/model.h"
#include "workers/reward/model_scorer.h"
#include "workers/reward/scorer_factory.h"

namespace prosodia::cli {
namespace {

bool needs_reward_model(const std::string& scorer) { return scorer == "reward_model" || scorer == "mean"; }

}  // namespace

void adopt_reward_model(Options& options) {
  if (!options.text("reward_model").empty() && !options.given("reasoning_scorer"))
    options.set("reasoning_scorer", "reward_model");
}

Status check_reasoning_scorer(const Options& options) {
  const std::string& scorer = options.text("reasoning_scorer");
  const std::string& dir = options.text("reward_model");
  if (needs_reward_model(scorer) == dir.empty()) {
    return dir.empty()
               ? fail(ErrorCode::kUsage,
                      "--reasoning_scorer {} needs --reward_model DIR: a folder that `prosodia train-rm` wrote", scorer)
               : fail(ErrorCode::kUsage,
                      "--reward_model {} has no effect with --reasoning_scorer {}; give reward_model or mean", dir,
                      scorer);
  }
  if (dir.empty()) return {};
  PROSODIA_ASSIGN(const std::filesystem::path base, base_model_dir(dir));
  PROSODIA_TRY(ModelConfig::load(base));
  PROSODIA_TRY(read_rm_card(dir));
  return {};
}

RmGraderOptions rm_grader_options(const Options& options) {
  RmGraderOptions grader;
  grader.score = options.text("rm_score") == "argmax" ? RmScore::kArgmax : RmScore::kExpected;
  grader.min_digit_mass = options.real("rm_min_digit_mass");
  return grader;
}

Result<std::unique_ptr<ReasoningScorer>> make_reasoning_scorer(const Options& options) {
  PROSODIA_TRY(check_reasoning_scorer(options));
  ScorerFactory factory = standard_scorers();
  factory.add("reward_model", [&options]() -> Result<std::unique_ptr<ReasoningScorer>> {
    ModelScorerOptions scorer;
    scorer.model_dir = options.text("reward_model");
    scorer.model = model_options(options);
    scorer.model.adapter_dir.clear();  // --adapter is the policy's
    scorer.grader = rm_grader_options(options);
    PROSODIA_ASSIGN(std::unique_ptr<ReasoningScorer> opened, ModelScorer::open(scorer));
    return opened;
  });
  return factory.make(options.text("reasoning_scorer"));
}

}  // namespace prosodia::cli
