// A whole training run in one thread: coordinator, learner, rollout and reward workers, and a scripted amount of
// trouble.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_coordinator.h"
#include "tests/sim/sim_workers.h"
#include "tests/sim/world.h"

namespace prosodia::sim {

struct ClusterOptions {
  uint64_t seed = 1;  // of everything that goes wrong and of every duration; not of the run's content
  uint32_t rollout_workers = 2, reward_workers = 1, slots = 2;
  uint32_t lag = 1;
  uint64_t steps = 12;
  uint32_t prompts_per_step = 3, num_generations = 4;
  uint64_t save_steps = 4, archive_steps = 3;
  bool faults = true;
  int64_t faults_until_ms = 30'000;
  int64_t stop_at_ms = 0;          // > 0: a graceful stop is requested then
  int64_t give_up_ms = 1'200'000;  // virtual; the run must be complete by then
};

struct Outcome {
  bool complete = false;
  bool stopped = false;
  Digest run_digest;
  uint64_t trace_hash = 0;
  int64_t duration_ms = 0;
  uint64_t coordinator_boots = 0, reloads = 0, learner_steps = 0;
  core::Counters counters;
  std::vector<std::string> violations;
};

Outcome run_cluster(const ClusterOptions& options);

}  // namespace prosodia::sim
