// A whole training run in one thread: coordinator, learner, rollout and reward workers, a supervisor that starts them
// again, and a scripted amount of trouble (trouble.cc).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
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
  uint64_t steps = 40;
  uint32_t prompts_per_step = 3, num_generations = 4;
  uint64_t save_steps = 4, archive_steps = 3;
  bool faults = true;
  int64_t faults_until_ms = 120'000;
  int64_t stop_at_ms = 0;          // > 0: a graceful stop is requested then
  int64_t give_up_ms = 1'800'000;  // virtual; the run must be complete by then
};

struct Outcome {
  bool complete = false;
  bool stopped = false;
  Digest run_digest;
  uint64_t trace_hash = 0;
  int64_t duration_ms = 0;
  uint64_t coordinator_boots = 0, reloads = 0, archive_reloads = 0, learner_steps = 0, folded_steps = 0;
  uint64_t acknowledged = 0, lost = 0, trained_twice = 0;
  core::Counters counters;
  std::map<std::string, uint64_t> injected;  // faults by name
  std::vector<std::string> violations;
};

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options);
  Outcome run();

 private:
  void add_processes();
  void up(const std::string& name, const std::string& peer, std::vector<std::byte> frame);
  void down(const std::string& peer, std::vector<std::byte> frame);
  void rerun();
  bool ended() const;
  Outcome outcome() const;

  // The supervisor: ends and restarts what the coordinator reports, and whatever lies down once peace is made.
  void replace(const std::string& worker);
  void supervise();

  // trouble.cc
  void trouble();
  void trouble_with_processes(int64_t kind);
  void trouble_with_network(int64_t kind);
  void trouble_with_coordinator(int64_t kind);
  void peace();
  SimProcess& any_process();
  void crash_and_restart(SimProcess& process, const char* what);
  void cut(SimProcess& process, bool up, bool down, int64_t for_ms);
  void swizzle();
  void crash_everything();
  Crash crash_kind();

  ClusterOptions options_;
  World world_;
  SimCoordinator coordinator_;
  std::vector<std::unique_ptr<SimProcess>> processes_;
  std::vector<SimWorker*> workers_;
  SimLearner* learner_ = nullptr;
  bool reruns_ = false;  // a run that has stopped is started again, by the same command
  std::map<std::string, int64_t> cut_up_until_ms_, cut_down_until_ms_;  // by process name
};

Outcome run_cluster(const ClusterOptions& options);

}  // namespace prosodia::sim
