#include "tests/support/fake_cluster.h"

#include <unistd.h>

#include <fstream>

#include "tests/sim/sim_workers.h"

namespace prosodia::testing_support {

using namespace protocol;
using std::chrono::milliseconds;

FakeCluster::FakeCluster(const std::string& name) {
  options.run_dir = std::filesystem::path(::testing::TempDir()) / fmt::format("{}-{}", name, ::getpid());
  std::filesystem::remove_all(options.run_dir);
  for (int i = 0; i < 5; ++i) {
    options.rows.push_back(fmt::format(
        R"({{"id":"u{}","solution":"{}","audios":["a.wav"],"messages":[{{"role":"user","content":"which?"}}]}})", i,
        i % 2 == 0 ? "happy" : "sad"));
  }
  options.run.plan.seed = 11;
  options.run.plan.total_steps = 8;
  options.run.plan.prompts_per_step = 2;
  options.run.plan.num_generations = 3;
  options.run.plan.lag = 1;
  options.run.gate.mode = core::GateMode::kFixedStep;
  options.run.gate.start_step = 4;
  options.run.heartbeat_ms = 100;
  options.run.retry_backoff_ms = 10;
  options.run.final_checkpoint_ms = 500;
  options.archive_steps = 3;
  options.tick_ms = 20;
  options.goodbye_ms = 300;
}

CredentialsPtr FakeCluster::credentials(Principal self) const {
  if (keys.empty()) return nullptr;
  auto loaded = load_credentials(keys, self);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return *loaded;
}

WorkerClientOptions FakeCluster::client_options(Role role, const std::string& name) const {
  WorkerClientOptions client;
  const auto file = options.run_dir / "coordinator.endpoint";
  std::ifstream stream(file);
  std::getline(stream, client.endpoint);
  if (dial_control) {
    client.endpoint = dial_control(client.endpoint);
  } else {
    client.endpoint_file = file;
  }
  client.role = role;
  client.name = name;
  client.slots = 2;
  client.credentials = credentials(principal_of(role));
  client.heartbeat = milliseconds(options.run.heartbeat_ms);
  client.connect_timeout = milliseconds(20'000);
  client.resend_min = milliseconds(100);
  client.resend_max = milliseconds(400);
  return client;
}

bool FakeCluster::fetch(const TaskRollout& task) {
  BulkClientOptions bulk;
  bulk.endpoint = dial_bulk ? dial_bulk(task.weights_endpoint) : task.weights_endpoint;
  bulk.chunk_bytes = 16'384;
  bulk.timeout = milliseconds(3000);
  bulk.retry = milliseconds(200);
  bulk.credentials = credentials(Principal::kRollout);
  auto client = BulkClient::connect(bulk);
  if (client && (*client)->fetch(task.policy_version, task.weights_digest)) return true;
  ++bulk_failures;
  return false;
}

void FakeCluster::work_as(Role role, const std::string& name) {
  auto client = WorkerClient::connect(client_options(role, name));
  if (!client) return;
  Digest loaded;
  while (!stop_work) {
    auto task = (*client)->next_task(milliseconds(20));
    if (!task) break;
    if (!*task) continue;
    const LeaseId lease = (*task)->lease;
    if (std::holds_alternative<Shutdown>((*task)->body)) break;
    if (const auto* rollout = std::get_if<TaskRollout>(&(*task)->body)) {
      if (loaded != rollout->weights_digest && !fetch(*rollout)) {
        (void)(*client)->send_failure(lease, rollout->group_id, ErrorCode::kUnavailable, "no weights");
        continue;
      }
      loaded = rollout->weights_digest;
      std::this_thread::sleep_for(work);
      (void)(*client)->send_result(lease, sim::fake_rollout(*rollout));
    } else if (const auto* reward = std::get_if<TaskReward>(&(*task)->body)) {
      (void)(*client)->send_result(lease, sim::fake_reward(*reward));
    }
  }
  resent += (*client)->stats().resent;
  cancelled += (*client)->stats().cancelled;
}

// A version's bytes are its chain value, repeated.
FakeCluster::Served FakeCluster::served(const Digest& chain) const {
  std::vector<std::byte> bytes(weights_bytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(chain.bytes[i % 32] + i / 32);
  return {chain, make_snapshot(std::move(bytes))};
}

void FakeCluster::learn() {
  std::mutex mutex;
  std::map<uint64_t, Served> versions;
  BulkServerOptions bulk;
  bulk.credentials = credentials(Principal::kLearner);
  auto server = BulkServer::start(bulk, [&](PolicyVersion version) -> std::shared_ptr<const Snapshot> {
    const std::lock_guard lock(mutex);
    const auto found = versions.find(version.value);
    return found == versions.end() ? nullptr : found->second.snapshot;
  });
  ASSERT_TRUE(server) << server.error().message;
  WorkerClientOptions client_opts = client_options(Role::kLearner, "learner");
  client_opts.weights_endpoint = (*server)->endpoint();
  client_opts.resumable = {PolicyVersion(0)};
  for (const auto& [version, chains] : checkpoints_) client_opts.resumable.push_back(PolicyVersion(version));
  auto client = WorkerClient::connect(client_opts);
  if (!client) return;
  uint64_t version = (*client)->welcome().resume_version.value;
  const auto start = version == 0 ? std::map<uint64_t, Digest>{{0, Digest{}}} : checkpoints_[version];
  for (const auto& [v, chain] : start) versions[v] = served(chain);
  const auto announce = [&] {
    std::vector<ServedVersion> list;
    for (const auto& [v, entry] : versions) list.push_back({PolicyVersion(v), entry.snapshot->digest});
    (void)(*client)->announce_weights(list);
  };
  const auto save = [&] {
    for (const auto& [v, entry] : versions) checkpoints_[version][v] = entry.chain;
    (void)(*client)->send_checkpoint_committed({PolicyVersion(version), "ckpt"});
  };
  announce();
  while (!stop_work) {
    auto task = (*client)->next_task(milliseconds(20));
    if (!task) return;
    if (!*task) continue;
    if (std::holds_alternative<Shutdown>((*task)->body)) break;
    if (std::holds_alternative<CheckpointRequest>((*task)->body)) save();
    const auto* batch = std::get_if<StepBatch>(&(*task)->body);
    if (batch == nullptr || batch->step.value != version) continue;
    {
      const std::lock_guard lock(mutex);
      const Digest chain = DigestBuilder().add(versions[version].chain).add(batch->batch_digest).finish();
      versions[++version] = served(chain);
      while (versions.size() > 3) versions.erase(versions.begin());
    }
    announce();
    (void)(*client)->send_step_done((*task)->lease, {batch->step,
                                                     PolicyVersion(version),
                                                     batch->batch_digest,
                                                     versions[version].snapshot->digest,
                                                     0.5,
                                                     {{"kl", 0.25}}});
    if (version % 3 == 0) save();
  }
  resent += (*client)->stats().resent;
}

void FakeCluster::start_workers() {
  stop_work = false;
  workers.emplace_back([this] { learn(); });
  for (int i = 0; i < 2; ++i) {
    workers.emplace_back([this, i] { work_as(Role::kRollout, fmt::format("rollout-{}", i)); });
  }
  workers.emplace_back([this] { work_as(Role::kReward, "reward-0"); });
}

void FakeCluster::stop_workers() {
  stop_work = true;
  for (auto& worker : workers) worker.join();
  workers.clear();
}

Status FakeCluster::coordinate(size_t stop_after_reports) {
  std::atomic<bool> stop = false, over = false;
  options.credentials = credentials(Principal::kCoordinator);
  options.on_listening = [this](const std::string&) {
    if (workers.empty()) start_workers();
  };
  std::thread watcher([&] {
    while (!over && sink.count() < stop_after_reports) std::this_thread::sleep_for(milliseconds(2));
    if (!over) stop = true;
  });
  const Status status = run_coordinator(options, sink, stop);
  over = true;
  watcher.join();
  return status;
}

Digest FakeCluster::final_digest() const { return inspect_run(posix_file_system(), options.run_dir)->run_digest; }

}  // namespace prosodia::testing_support
