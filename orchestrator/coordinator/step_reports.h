// From a trained step's groups, the learner's metrics and the coordinator's counters to the StepReport that the monitor
// shows. Reward metrics come from monitor/response_metrics.h (TRL's names and definitions); added here:
//
//   rewards/accuracy/emotion/<solution>   mean R_o of the rows with this solution
//   num_tokens, tokens_per_second, step_time, run/staleness
//   workers/{rollout,reward,learner}      live at the end of the step
//   ft/leases_expired, ft/leases_lost, ft/leases_revoked, ft/workers_lost, ft/tasks_failed, ft/steps_replayed,
//   ft/workers_wedged, ft/workers_missing, ft/learners_stuck, ft/results_rejected, ft/results_rejected/<reason>,
//   ft/<lifecycle>/<reason>, ft/<lifecycle>/refused/<state>/<event>  (orchestrator/core/lifecycle.h)      since this
//   coordinator process started ft/journal_sync_seconds               mean fdatasync time during the step
// phase_seconds: rollout, reward, train, wait.
//
// Pure but for the wall clock value passed in. Single thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "orchestrator/core/run_core.h"
#include "orchestrator/monitor/step_report.h"

namespace prosodia {

struct StepReportInputs {
  double wall_time = 0;             // Unix seconds
  uint64_t total_tokens = 0;        // prompt and completion tokens trained on up to and including this step
  double journal_sync_seconds = 0;  // mean; 0 = no sync happened
};
// The responses of a sampled and scored group with everything they were judged by. Advantages as the learner takes them
// unless scale_rewards says otherwise. A dataset row that cannot be read leaves its fields empty.
std::vector<SampledResponse> sampled_responses(const protocol::BatchGroup& group);

StepReport make_step_report(const core::RunCore& core, StepId step, const StepReportInputs& inputs);

}  // namespace prosodia
