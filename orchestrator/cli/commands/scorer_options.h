// --reasoning_scorer and --reward_model: who grades the reasoning in `train`, `reward` and `eval`.
// Failure: kUsage naming the options; otherwise as the reward model's files.
#pragma once

#include <memory>

#include "orchestrator/cli/options.h"
#include "reward/reasoning_scorer.h"
#include "workers/reward/rm_grader.h"

namespace prosodia::cli {

// --reward_model alone means --reasoning_scorer reward_model.
void adopt_reward_model(Options& options);

// Before anything is loaded or started: the two options go together, and the folder is a model's, with a card that this
// program can ask (or none).
Status check_reasoning_scorer(const Options& options);

// Loads the reward model when the scorer needs one: call configure_torch() first.
Result<std::unique_ptr<ReasoningScorer>> make_reasoning_scorer(const Options& options);

RmGraderOptions rm_grader_options(const Options& options);

}  // namespace prosodia::cli
