// Shared by the tests of the monitor.
#pragma once

#include "orchestrator/monitor/response_metrics.h"
#include "orchestrator/monitor/step_report.h"

namespace prosodia {

inline SampledResponse sampled(uint64_t group, uint32_t index, double total, bool correct) {
  SampledResponse response{.group_id = group, .sample_index = index, .id = "utt-1", .prompt = "How does <she> feel?"};
  response.solution = "happy";
  response.response = "<think>pitch is \"high\" & rising</think><answer>happy</answer>";
  response.finish_reason = "stop";
  response.num_tokens = 10 + index;
  response.format = 1;
  response.accuracy = correct ? 1 : 0;
  response.total = total;
  return response;
}

inline StepReport step_report(uint64_t step, uint64_t total_steps) {
  StepReport report{.step = step, .total_steps = total_steps, .wall_time = 1000.0 + static_cast<double>(step)};
  report.samples = {sampled(step, 0, 1.3, true), sampled(step, 1, 0.3, false)};
  report.metrics = response_metrics(report.samples);
  report.metrics[metric::kKl] = 0.01 * static_cast<double>(step);
  report.metrics[metric::kStepTime] = 2;
  report.phase_seconds = {{"rollout", 1.2}, {"train", 0.6}};
  return report;
}

}  // namespace prosodia
