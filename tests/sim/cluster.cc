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
  run.learner_timeout_ms = 15'000;
  run.learner_return_ms = 600'000;
  run.expected_workers = {"learner"};
  for (uint32_t i = 0; i < options.rollout_workers; ++i) run.expected_workers.push_back(fmt::format("rollout-{}", i));
  for (uint32_t i = 0; i < options.reward_workers; ++i) run.expected_workers.push_back(fmt::format("reward-{}", i));
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

}  // namespace

Cluster::Cluster(const ClusterOptions& options)
    : options_(options),
      world_(options.seed),
      coordinator_(world_, run_options(options), dataset(), options.archive_steps,
                   {[this](const std::string& peer, std::vector<std::byte> frame) { down(peer, std::move(frame)); },
                    [this](const std::string& worker) { replace(worker); }}) {
  add_processes();
  if (options_.faults) world_.faults = {0.05, 0.05, 1, 120};
}

Outcome Cluster::run() {
  coordinator_.boot();
  for (auto& process : processes_) process->start();
  if (options_.faults) world_.at(500, [this] { trouble(); });
  if (options_.faults) world_.at(options_.faults_until_ms, [this] { peace(); });
  if (options_.stop_at_ms > 0) world_.at(options_.stop_at_ms, [this] { coordinator_.request_stop(); });
  while (!ended() && world_.now_ms() < options_.give_up_ms && world_.step()) {
    if (reruns_ && coordinator_.stopped()) rerun();
  }
  return outcome();
}

// All processes are new ones.
void Cluster::rerun() {
  coordinator_.run_again();
  for (auto& process : processes_) process->run_again(world_.between(50, 1000));
}

void Cluster::add_processes() {
  const auto send_up = [&](const std::string& name) -> SendUp {
    return [this, name](const std::string& peer, std::vector<std::byte> frame) { up(name, peer, std::move(frame)); };
  };
  const auto client_options = [&](Role role, const std::string& name) {
    WorkerClientOptions client;
    client.role = role;
    client.name = name;
    client.config_digest = DigestBuilder().add("config").finish();
    client.slots = options_.slots;
    return client;
  };
  auto learner = std::make_unique<SimLearner>(world_, client_options(Role::kLearner, "learner"), send_up("learner"),
                                              options_.lag, options_.steps, options_.save_steps);
  learner_ = learner.get();
  processes_.push_back(std::move(learner));
  const auto add = [&](Role role, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      const std::string worker_name = fmt::format("{}-{}", name(role), i);
      auto worker = std::make_unique<SimWorker>(world_, client_options(role, worker_name), send_up(worker_name));
      if (options_.faults) worker->failure_rate = 0.05, worker->stuck_rate = 0.03, worker->slow_rate = 0.03;
      workers_.push_back(worker.get());
      processes_.push_back(std::move(worker));
    }
  };
  add(Role::kRollout, options_.rollout_workers);
  add(Role::kReward, options_.reward_workers);
}

void Cluster::up(const std::string& name, const std::string& peer, std::vector<std::byte> frame) {
  if (const auto until = cut_up_until_ms_.find(name); until != cut_up_until_ms_.end()) {
    if (world_.now_ms() < until->second) return world_.count("frames lost in partitions");
  }
  world_.carry(std::move(frame), [this, peer](std::vector<std::byte> f) { coordinator_.receive(peer, std::move(f)); });
}

void Cluster::down(const std::string& peer, std::vector<std::byte> frame) {
  const auto until = cut_down_until_ms_.find(peer.substr(0, peer.find('#')));
  if (until != cut_down_until_ms_.end() && world_.now_ms() < until->second) {
    return world_.count("frames lost in partitions");
  }
  world_.carry(std::move(frame), [this, peer](const std::vector<std::byte>& f) {
    for (auto& process : processes_) {
      if (process->up() && process->peer() == peer) process->receive(f);
    }
  });
}

// SIGKILL ends it, stopped or wedged as it may be; then it is started again.
void Cluster::replace(const std::string& worker) {
  for (auto& process : processes_) {
    if (process->name() != worker || process->shut_down()) continue;
    const int64_t asked_ms = world_.now_ms();
    world_.at(world_.between(20, 300), [this, asked_ms, &process = *process] {
      if (process.started_ms() > asked_ms) return;  // another one already
      world_.count("(processes replaced by the supervisor)");
      process.crash();
      world_.at(world_.between(50, 1000), [&process] {
        if (!process.up()) process.start();
      });
    });
  }
}

void Cluster::supervise() {
  for (auto& process : processes_) {
    if (!process->up() && !process->shut_down()) process->start();
  }
  world_.at(5000, [this] { supervise(); });
}

bool Cluster::ended() const {
  return coordinator_.complete() || coordinator_.failed().has_value() || coordinator_.stopped().has_value();
}

Outcome Cluster::outcome() const {
  Outcome out;
  out.complete = coordinator_.complete();
  out.stopped = coordinator_.stopped().has_value();
  if (out.complete) out.run_digest = coordinator_.completion().run_digest;
  out.trace_hash = world_.trace_hash();
  out.duration_ms = world_.now_ms();
  out.coordinator_boots = coordinator_.boots();
  out.reloads = coordinator_.reloads();
  out.archive_reloads = coordinator_.archive_reloads();
  out.folded_steps = coordinator_.folded_steps();
  out.learner_steps = learner_->steps_trained();
  out.acknowledged = coordinator_.acknowledged();
  out.lost = coordinator_.lost();
  out.counters = coordinator_.total();
  out.injected = world_.injected();
  out.violations = coordinator_.violations;
  if (coordinator_.failed()) out.violations.push_back("run failed: " + coordinator_.failed()->message);
  for (const auto& process : processes_) {
    out.violations.insert(out.violations.end(), process->violations.begin(), process->violations.end());
  }
  for (const auto& [step, count] : coordinator_.trained_records()) {
    out.trained_twice += count - 1;
    if (count != 1) out.violations.push_back(fmt::format("step {} was trained {} times", step, count));
  }
  if (!out.complete && !out.stopped) {
    out.violations.push_back("not complete: " + coordinator_.describe());
    for (const auto& process : processes_) {
      const std::string_view state = !process->up() ? "down" : process->is_wedged() ? "wedged" : "up";
      out.violations.push_back(fmt::format("{} is {}, started at {} ms{}", process->name(), state,
                                           process->started_ms(), process->shut_down() ? ", was told to end" : ""));
    }
  }
  return out;
}

Outcome run_cluster(const ClusterOptions& options) { return Cluster(options).run(); }

}  // namespace prosodia::sim
