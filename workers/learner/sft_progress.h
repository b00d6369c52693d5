// Where a run of SFT stands: what a checkpoint of it records beside weights and optimizer, and the rules of the best
// evaluation and of early stopping (transformers 5.17: Trainer._determine_best_metric, EarlyStoppingCallback).
// Caller: sft.cc. Value types; pure; single thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "data/base/status.h"
#include "workers/learner/sft.h"

namespace prosodia {

struct SftProgress {
  int64_t step = 0;        // of the run
  int64_t stage = 0;       // the stage in hand, from 0
  int64_t stage_step = 0;  // steps done in it
  bool stopped_early = false;

  // Of the stage in hand.
  std::optional<double> best_metric;
  int64_t best_step = 0;               // of the run
  int64_t evaluations_unimproved = 0;  // in a row, by early_stopping_threshold

  double window_loss_sum = 0;  // of the steps since the last line of metrics
  int64_t window_steps = 0;
  int64_t num_input_tokens_seen = 0;  // of the run

  void begin_stage(int64_t stage);
};
nlohmann::json to_json(const SftProgress& progress);
// kCorruption, naming `where`, when a field is missing or of another type.
Result<SftProgress> progress_from_json(const nlohmann::json& json, const std::string& where);

// "eval_loss" for "" and "loss"; other names get their "eval_" when it lacks. kUsage for a name that is no metric here.
Result<std::string> best_metric_name(const SftStage& stage);
bool greater_is_better(const SftStage& stage);

// Takes in one evaluation. True when it is a new best (strictly better; the first always is).
bool note_evaluation(const SftStage& stage, double value, SftProgress& progress);
bool early_stopping_due(const SftStage& stage, const SftProgress& progress);

}  // namespace prosodia
