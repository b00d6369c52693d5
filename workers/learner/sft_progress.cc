#include "workers/learner/sft_progress.h"

#include <cmath>

namespace prosodia {

using nlohmann::json;

void SftProgress::begin_stage(int64_t next) {
  stage = next;
  stage_step = 0;
  stopped_early = false;
  best_metric.reset();
  best_step = 0;
  evaluations_unimproved = 0;
}

json to_json(const SftProgress& progress) {
  return {{"step", progress.step},
          {"stage", progress.stage},
          {"stage_step", progress.stage_step},
          {"stopped_early", progress.stopped_early},
          {"best_metric", progress.best_metric ? json(*progress.best_metric) : json()},
          {"best_step", progress.best_step},
          {"evaluations_unimproved", progress.evaluations_unimproved},
          {"window_loss_sum", progress.window_loss_sum},
          {"window_steps", progress.window_steps},
          {"num_input_tokens_seen", progress.num_input_tokens_seen}};
}

Result<SftProgress> progress_from_json(const json& value, const std::string& where) {
  try {
    SftProgress progress;
    progress.step = value.at("step").get<int64_t>();
    progress.stage = value.at("stage").get<int64_t>();
    progress.stage_step = value.at("stage_step").get<int64_t>();
    progress.stopped_early = value.at("stopped_early").get<bool>();
    if (!value.at("best_metric").is_null()) progress.best_metric = value.at("best_metric").get<double>();
    progress.best_step = value.at("best_step").get<int64_t>();
    progress.evaluations_unimproved = value.at("evaluations_unimproved").get<int64_t>();
    progress.window_loss_sum = value.at("window_loss_sum").get<double>();
    progress.window_steps = value.at("window_steps").get<int64_t>();
    progress.num_input_tokens_seen = value.at("num_input_tokens_seen").get<int64_t>();
    return progress;
  } catch (const json::exception& error) {
    return fail(ErrorCode::kCorruption, "{}: no progress of an sft run: {}. Next: resume from another checkpoint",
                where, error.what());
  }
}

Result<std::string> best_metric_name(const SftStage& stage) {
  std::string name = stage.metric_for_best_model.empty() ? "loss" : stage.metric_for_best_model;
  if (!name.starts_with("eval_")) name = "eval_" + name;
  if (name != "eval_loss" && name != "eval_mean_token_accuracy")
    return fail(ErrorCode::kUsage, "metric_for_best_model '{}': expected loss or mean_token_accuracy",
                stage.metric_for_best_model);
  return name;
}

bool greater_is_better(const SftStage& stage) {
  const bool is_loss = stage.metric_for_best_model.empty() || stage.metric_for_best_model.ends_with("loss");
  return stage.greater_is_better.value_or(!is_loss);
}

bool note_evaluation(const SftStage& stage, double value, SftProgress& progress) {
  const auto better = [&](double a, double b) { return greater_is_better(stage) ? a > b : a < b; };
  const bool best = !std::isnan(value) && (!progress.best_metric || better(value, *progress.best_metric));
  const bool improved =
      !progress.best_metric || (better(value, *progress.best_metric) &&
                                std::abs(value - *progress.best_metric) > stage.early_stopping_threshold);
  progress.evaluations_unimproved = improved ? 0 : progress.evaluations_unimproved + 1;
  if (best) {
    progress.best_metric = value;
    progress.best_step = progress.step;
  }
  return best;
}

bool early_stopping_due(const SftStage& stage, const SftProgress& progress) {
  return stage.early_stopping_patience > 0 && progress.evaluations_unimproved >= stage.early_stopping_patience;
}

}  // namespace prosodia
