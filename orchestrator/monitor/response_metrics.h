// Implements the reward and length metrics of one step from its responses, with TRL's names and definitions
// (trl/trainer/grpo_trainer.py, _generate_and_score_completions), plus what TRL lacks: the four criteria, trust, gate,
// acoustic faithfulness, splits by correctness, counts of responses without a score by reason.
//
// Pure function; called by the coordinator and by report tools. A metric without any value is left out, never 0.
#pragma once

#include <map>
#include <span>
#include <string>

#include "orchestrator/monitor/step_report.h"

namespace prosodia {

std::map<std::string, double> response_metrics(std::span<const SampledResponse>);

}  // namespace prosodia
