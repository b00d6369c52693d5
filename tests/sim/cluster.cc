#include "tests/sim/cluster.h"

#include <fmt/format.h>

namespace prosodia::sim {

using namespace protocol;

namespace {

core::RunOptions run_options(const ClusterOptions& options) {
  core::RunOptions run;
  run.plan.seed = 42;
  run.plan.num_rows = 10;
  run.plan.total_steps = options.steps;
  run.plan.prompts_per_step = options.prompts_per_step;
  run.plan.num_generations = options.num_generations;
  run.plan.lag = options.lag;
  run.gate.window = 2;
  run.gate.delta = 0.6;  // opens soon, so that both phases are simulated
  run.gate.ramp_steps = 3;
  run.run_id = RunId(7);
  run.config_digest = DigestBuilder().add("config").finish();
  run.heartbeat_ms = 300;
  run.rollout_lease_ms = 4000;
  run.reward_lease_ms = 4000;
  run.retry_backoff_ms = 50;
  run.max_lost_leases = 1'000'000;
  run.final_checkpoint_ms = 2000;
  return run;
}

std::vector<std::string> dataset() {
  std::vector<std::string> rows;
  for (int i = 0; i < 10; ++i) rows.push_back(fmt::format(R"({{"id":{}}})", i));
  return rows;
}

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options)
      : options_(options),
        world_(options.seed),
        coordinator_(world_, run_options(options), dataset(), options.archive_steps,
                     [this](const std::string& peer, std::vector<std::byte> frame) { down(peer, std::move(frame)); }) {
    add_processes();
    if (options_.faults) world_.faults = {0.05, 0.05, 1, 120};
  }

  Outcome run() {
    coordinator_.boot();
    for (auto& process : processes_) process->start();
    if (options_.faults) world_.at(500, [this] { trouble(); });
    if (options_.faults) world_.at(options_.faults_until_ms, [this] { peace(); });
    if (options_.stop_at_ms > 0) world_.at(options_.stop_at_ms, [this] { coordinator_.request_stop(); });
    while (!ended() && world_.now_ms() < options_.give_up_ms && world_.step()) {
    }
    return outcome();
  }

 private:
  void add_processes() {
    const SendUp send_up = [this](const std::string& peer, std::vector<std::byte> frame) {
      world_.carry(std::move(frame),
                   [this, peer](std::vector<std::byte> f) { coordinator_.receive(peer, std::move(f)); });
    };
    const auto client_options = [&](Role role, const std::string& name) {
      WorkerClientOptions client;
      client.role = role;
      client.name = name;
      client.config_digest = DigestBuilder().add("config").finish();
      client.slots = options_.slots;
      return client;
    };
    auto learner = std::make_unique<SimLearner>(world_, client_options(Role::kLearner, "learner"), send_up,
                                                options_.lag, options_.steps, options_.save_steps);
    learner_ = learner.get();
    processes_.push_back(std::move(learner));
    const auto add = [&](Role role, uint32_t count) {
      for (uint32_t i = 0; i < count; ++i) {
        auto worker =
            std::make_unique<SimWorker>(world_, client_options(role, fmt::format("{}-{}", name(role), i)), send_up);
        if (options_.faults) worker->failure_rate = 0.05, worker->stuck_rate = 0.03;
        workers_.push_back(worker.get());
        processes_.push_back(std::move(worker));
      }
    };
    add(Role::kRollout, options_.rollout_workers);
    add(Role::kReward, options_.reward_workers);
  }

  void down(const std::string& peer, std::vector<std::byte> frame) {
    world_.carry(std::move(frame), [this, peer](const std::vector<std::byte>& f) {
      for (auto& process : processes_) {
        if (process->up() && process->peer() == peer) process->receive(f);
      }
    });
  }

  SimProcess& any_process() {
    return *processes_[static_cast<size_t>(world_.between(0, int64_t(processes_.size()) - 1))];
  }

  void crash_and_restart(SimProcess& process) {
    process.crash();
    world_.at(world_.between(50, 4000), [&process] {
      if (!process.up()) process.start();
    });
  }

  void trouble() {
    if (world_.now_ms() >= options_.faults_until_ms) return;
    switch (world_.between(0, 9)) {
      case 0:
      case 1:
      case 2:
        crash_and_restart(any_process());
        break;
      case 3:
        any_process().pause(world_.between(500, 8000));
        break;
      case 4:
        crash_and_restart(*learner_);
        break;
      case 5:
        if (world_.chance(0.3)) learner_->lose_checkpoints();
        crash_and_restart(*learner_);
        break;
      case 6:
        coordinator_.crash(crash_kind());
        break;
      case 7:
        coordinator_.crash_in_next_commit(crash_kind(), world_.chance(0.5));
        break;
      case 8:
        world_.faults.max_delay_ms = world_.between(1, 1500);
        break;
      case 9:
        world_.faults.drop = world_.chance(0.2) ? 1.0 : 0.05;
        break;  // a partition, until the next change
    }
    world_.at(world_.between(100, 2500), [this] { trouble(); });
  }

  Crash crash_kind() {
    constexpr Crash kKinds[] = {Crash::kProcess, Crash::kDropUnsynced, Crash::kTearUnsynced};
    return kKinds[world_.between(0, 2)];
  }

  void peace() {
    world_.faults = {};
    for (SimWorker* worker : workers_) worker->failure_rate = worker->stuck_rate = 0;
    // Whoever lies down is started again, as a supervisor would.
    world_.at(5000, [this] { supervise(); });
  }

  void supervise() {
    for (auto& process : processes_) {
      if (!process->up() && !process->shut_down()) process->start();
    }
    world_.at(5000, [this] { supervise(); });
  }

  bool ended() const {
    return coordinator_.complete() || coordinator_.failed().has_value() || coordinator_.stopped().has_value();
  }

  Outcome outcome() {
    Outcome out;
    out.complete = coordinator_.complete();
    out.stopped = coordinator_.stopped().has_value();
    if (out.complete) out.run_digest = coordinator_.completion().run_digest;
    out.trace_hash = world_.trace_hash();
    out.duration_ms = world_.now_ms();
    out.coordinator_boots = coordinator_.boots();
    out.reloads = coordinator_.reloads();
    out.learner_steps = learner_->steps_trained();
    out.counters = coordinator_.total();
    out.violations = coordinator_.violations;
    if (coordinator_.failed()) out.violations.push_back("run failed: " + coordinator_.failed()->message);
    for (const auto& process : processes_) {
      out.violations.insert(out.violations.end(), process->violations.begin(), process->violations.end());
    }
    for (const auto& [step, count] : coordinator_.trained_records()) {
      if (count != 1) out.violations.push_back(fmt::format("step {} was trained {} times", step, count));
    }
    if (!out.complete && !out.stopped) out.violations.push_back("not complete");
    return out;
  }

  ClusterOptions options_;
  World world_;
  SimCoordinator coordinator_;
  std::vector<std::unique_ptr<SimProcess>> processes_;
  std::vector<SimWorker*> workers_;
  SimLearner* learner_ = nullptr;
};

}  // namespace

Outcome run_cluster(const ClusterOptions& options) { return Cluster(options).run(); }

}  // namespace prosodia::sim
