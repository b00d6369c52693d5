// What goes wrong in a simulated cluster, until peace is made.
#include <algorithm>

#include "tests/sim/cluster.h"

namespace prosodia::sim {

void Cluster::trouble() {
  if (world_.now_ms() >= options_.faults_until_ms) return;
  const int64_t kind = world_.between(0, 30);
  if (kind < 12) {
    trouble_with_processes(kind);
  } else if (kind < 20) {
    trouble_with_network(kind);
  } else {
    trouble_with_coordinator(kind);
  }
  world_.at(world_.between(100, 2000), [this] { trouble(); });
}

void Cluster::trouble_with_processes(int64_t kind) {
  SimProcess& process = any_process();
  if (kind <= 2) {
    crash_and_restart(process, "processes killed");
  } else if (kind <= 4) {
    world_.count("processes stopped (SIGSTOP) past their lease");
    process.pause(world_.between(500, 9000));
  } else if (kind == 5) {
    world_.count("processes stopped for good");
    process.pause(options_.give_up_ms);
  } else if (kind <= 7) {
    crash_and_restart(*learner_, "learners killed");
  } else if (kind == 8) {
    if (world_.chance(0.7)) {
      world_.count("checkpoints lost");
      learner_->lose_checkpoints();
    }
    crash_and_restart(*learner_, "learners killed");
  } else if (kind == 9) {
    world_.count("learners stuck in a collective");
    learner_->wedge();
  } else if (kind == 10) {
    world_.count("workers wedged, heartbeats go on");
    process.wedge();
  } else {
    world_.count("reward workers that never answer");
    workers_.back()->wedge();  // the last one scores
  }
}

void Cluster::trouble_with_network(int64_t kind) {
  if (kind <= 13) {
    world_.faults.max_delay_ms = world_.between(1, 1500);
  } else if (kind == 14) {
    world_.faults.drop = world_.chance(0.3) ? 0.5 : 0.05;
  } else if (kind == 15) {
    world_.count("partitions of everybody");
    for (auto& process : processes_) cut(*process, true, true, world_.between(500, 4000));
  } else if (kind == 16) {
    world_.count("partitions, one way");
    const bool up = world_.chance(0.5);
    cut(any_process(), up, !up, world_.between(500, 8000));
  } else if (kind == 17) {
    world_.count("partitions, both ways");
    cut(any_process(), true, true, world_.between(500, 8000));
  } else {
    swizzle();
  }
}

void Cluster::trouble_with_coordinator(int64_t kind) {
  if (kind <= 21) {
    world_.count("coordinators killed");
    coordinator_.crash(crash_kind());
  } else if (kind <= 23) {
    world_.count("coordinators killed in a commit");
    coordinator_.crash_in_next_commit(crash_kind(), world_.chance(0.5));
  } else if (kind == 24) {
    world_.count("coordinators stopped (SIGSTOP)");
    coordinator_.pause(world_.between(500, 6000));
  } else if (kind == 25) {
    world_.count("everything killed at once");
    crash_everything();
  } else if (kind == 26) {
    world_.count("slow disks");
    coordinator_.slow_disk(world_.between(50, 1500));
  } else if (kind == 27) {
    world_.count("full disks");
    coordinator_.fill_disk(static_cast<uint64_t>(world_.between(0, 3000)));
    world_.at(world_.between(1000, 8000), [this] { coordinator_.heal_disk(); });
  } else if (kind == 28) {
    world_.count("failed fsyncs");
    coordinator_.fail_next_sync();
  } else if (kind == 29) {
    coordinator_.heal_disk();
  } else {
    world_.count("graceful stops, and the same command again");
    reruns_ = true;
    coordinator_.request_stop();
  }
}

SimProcess& Cluster::any_process() {
  return *processes_[static_cast<size_t>(world_.between(0, int64_t(processes_.size()) - 1))];
}

void Cluster::crash_and_restart(SimProcess& process, const char* what) {
  world_.count(what);
  process.crash();
  world_.at(world_.between(50, 4000), [&process] {
    if (!process.up()) process.start();
  });
}

void Cluster::cut(SimProcess& process, bool up, bool down, int64_t for_ms) {
  const int64_t until_ms = world_.now_ms() + for_ms;
  if (up) cut_up_until_ms_[process.name()] = until_ms;
  if (down) cut_down_until_ms_[process.name()] = until_ms;
}

// FoundationDB's swizzle: a random part of the cluster is cut off one by one and heals in another order.
void Cluster::swizzle() {
  world_.count("swizzles");
  for (auto& process : processes_) {
    if (!world_.chance(0.6)) continue;
    world_.at(world_.between(0, 2000),
              [this, &process = *process] { cut(process, true, true, world_.between(500, 5000)); });
  }
}

void Cluster::crash_everything() {
  coordinator_.crash(world_.chance(0.5) ? Crash::kDropUnsynced : Crash::kTearUnsynced);
  for (auto& process : processes_) crash_and_restart(*process, "processes killed");
}

Crash Cluster::crash_kind() {
  constexpr Crash kKinds[] = {Crash::kProcess, Crash::kDropUnsynced, Crash::kTearUnsynced};
  return kKinds[world_.between(0, 2)];
}

void Cluster::peace() {
  world_.faults = {};
  cut_up_until_ms_.clear();
  cut_down_until_ms_.clear();
  coordinator_.heal_disk();
  for (SimWorker* worker : workers_) worker->failure_rate = worker->stuck_rate = worker->slow_rate = 0;
  world_.at(5000, [this] { supervise(); });
}

}  // namespace prosodia::sim
