// A whole run in one process over real sockets: run_coordinator with a real journal, and worker threads with the real
// WorkerClient, BulkServer and BulkClient, whose content is a pure function of (weights, seed) as in the simulation. So
// whatever happens on the way, a finished run has the digest of the undisturbed one.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "orchestrator/coordinator/coordinator.h"
#include "orchestrator/protocol/bulk.h"
#include "orchestrator/protocol/worker_client.h"

namespace prosodia::testing_support {

class RecordingSink : public MetricsSink {
 public:
  Status on_step(StepReport report) override {
    const std::lock_guard lock(mutex_);
    reports.push_back(report);
    return {};
  }
  Status sync() override {
    ++syncs;
    return {};
  }
  Status finish() override {
    ++finishes;
    return {};
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return reports.size();
  }
  std::vector<StepReport> reports;
  int syncs = 0, finishes = 0;

 private:
  std::mutex mutex_;
};

class FakeCluster {
 public:
  // A small run (8 steps of 2 groups of 3) in a fresh folder of that name.
  explicit FakeCluster(const std::string& name);
  ~FakeCluster() {
    stop_workers();
    std::error_code ignored;
    std::filesystem::remove_all(options.run_dir, ignored);
  }

  void start_workers();
  void stop_workers();
  // One life of the coordinator, to its end or until `steps` reports were made; then a stop is requested. Starts the
  // workers once it listens, unless they run.
  Status coordinate(size_t stop_after_reports = SIZE_MAX);
  Digest final_digest() const;
  void lose_checkpoints() { checkpoints_.clear(); }  // while no worker runs: the next learner offers version 0 alone

  CoordinatorOptions options;
  RecordingSink sink;
  // How the workers reach the coordinator, and the rollout workers the learner; by default directly.
  std::function<std::string(const std::string&endpoint)> dial_control, dial_bulk;
  std::filesystem::path keys;                                          // encrypts everything when set
  std::chrono::milliseconds work{0};                                   // a rollout takes so long
  size_t weights_bytes = 1000;                                         // of one version
  std::atomic<uint64_t> resent = 0, bulk_failures = 0, cancelled = 0;  // of workers that ended
  std::atomic<bool> stop_work = false;
  std::vector<std::thread> workers;

 private:
  // What a version's checkpoint holds: the digests of the served versions and their chain values.
  struct Served {
    Digest chain;
    std::shared_ptr<const protocol::Snapshot> snapshot;
  };
  protocol::WorkerClientOptions client_options(protocol::Role role, const std::string& name) const;
  protocol::CredentialsPtr credentials(protocol::Principal self) const;
  void work_as(protocol::Role role, const std::string& name);
  bool fetch(const protocol::TaskRollout& task);
  void learn();
  Served served(const Digest& chain) const;

  std::map<uint64_t, std::map<uint64_t, Digest>> checkpoints_;  // the learner's disk: version -> chains of served ones
};

}  // namespace prosodia::testing_support
