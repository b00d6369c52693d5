// A run for the tests of `prosodia watch`.
#pragma once

#include <cmath>

#include "orchestrator/monitor/watch/watch_model.h"
#include "tests/unit/monitor/monitor_test_util.h"

namespace prosodia::watch {

inline StepReport watched_step(uint64_t step, uint64_t total) {
  StepReport report = step_report(step, total);
  report.metrics[metric::kReward] = static_cast<double>(step) / static_cast<double>(total);
  report.metrics[metric::kEntropy] = 2 + std::sin(static_cast<double>(step));
  report.metrics["run/staleness"] = 1;
  report.metrics["workers/rollout"] = 2;
  return report;
}

inline LiveStatus live_status() {
  LiveStatus live{.run_name = "emotion-run", .run_id = "00000000000000ab", .wall_time = 2000, .start_time = 1000};
  live.phase = RunPhase::kRunning;
  live.life = 2;
  live.trained_steps = 60;
  live.total_steps = 100;
  live.learner = "training";
  live.active_leases = 3;
  live.groups = {{"planned", 4}, {"sampled", 2}};
  live.by_state = {{"rollout", {{"live", 1}, {"dead", 1}}}, {"reward", {{"live", 1}}}};
  live.workers = {{"rollout-0", "rollout", "live", 2, 1234.5, 0.4, 0.6},
                  {"rollout-1", "rollout", "dead", 0, 0, 75, 80},
                  {"reward-0", "reward", "live", 1, 8.25, 0.1, 0.1}};
  live.gate = 0.5;
  return live;
}

inline Model watched_run(uint64_t steps = 60) {
  Model model{.where = "runs/emotion"};
  for (uint64_t step = 1; step <= steps; ++step) {
    model.history.add(watched_step(step, 100));
    model.responses.push_back({step, sampled(step, 0, 1.3, true)});
  }
  model.live = live_status();
  model.liveness = Liveness::kRunning;
  model.now = 2001;
  return model;
}

}  // namespace prosodia::watch
