// run_coordinator with real sockets, a real journal and worker threads whose content is a pure function of (weights,
// seed), as in the simulation. Three ways through the same run must end in the same digest.
#include "orchestrator/coordinator/coordinator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <thread>

#include "orchestrator/coordinator/archive.h"
#include "orchestrator/protocol/transport.h"
#include "orchestrator/protocol/worker_client.h"
#include "tests/sim/sim_workers.h"

namespace prosodia {
namespace {

using namespace protocol;
using std::chrono::milliseconds;

class RecordingSink : public MetricsSink {
 public:
  Status on_step(const StepReport& report) override {
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

// The learner's weights and checkpoints; survives learner restarts like a disk.
struct LearnerDisk {
  std::map<uint64_t, std::map<uint64_t, Digest>> checkpoints;  // version -> served versions
};

struct TestRun {
  explicit TestRun(const std::string& name) {
    options.run_dir = std::filesystem::path(::testing::TempDir()) / name;
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
  ~TestRun() { stop_workers(); }

  WorkerClientOptions client_options(Role role, const std::string& name) const {
    WorkerClientOptions client;
    client.endpoint_file = options.run_dir / "coordinator.endpoint";
    std::ifstream file(client.endpoint_file);
    std::getline(file, client.endpoint);
    client.role = role;
    client.name = name;
    client.slots = 2;
    client.connect_timeout = milliseconds(20'000);
    client.resend_min = milliseconds(100);
    return client;
  }

  void work(Role role, const std::string& name) {
    auto client = WorkerClient::connect(client_options(role, name));
    if (!client) return;
    while (!stop_work) {
      auto task = (*client)->next_task(milliseconds(20));
      if (!task) return;
      if (!*task) continue;
      if (std::holds_alternative<Shutdown>((*task)->body)) return;
      if (const auto* rollout = std::get_if<TaskRollout>(&(*task)->body)) {
        (void)(*client)->send_result((*task)->lease, sim::fake_rollout(*rollout));
      } else if (const auto* reward = std::get_if<TaskReward>(&(*task)->body)) {
        (void)(*client)->send_result((*task)->lease, sim::fake_reward(*reward));
      }
    }
  }

  void learn() {
    WorkerClientOptions client_opts = client_options(Role::kLearner, "learner");
    client_opts.resumable = {PolicyVersion(0)};
    for (const auto& [version, served] : disk.checkpoints) client_opts.resumable.push_back(PolicyVersion(version));
    auto client = WorkerClient::connect(client_opts);
    if (!client) return;
    uint64_t version = (*client)->welcome().resume_version.value;
    std::map<uint64_t, Digest> served =
        version == 0 ? std::map<uint64_t, Digest>{{0, Digest{}}} : disk.checkpoints[version];
    const auto announce = [&] {
      std::vector<ServedVersion> list;
      for (const auto& [v, digest] : served) list.push_back({PolicyVersion(v), digest});
      (void)(*client)->announce_weights(list);
    };
    const auto save = [&] {
      disk.checkpoints[version] = served;
      (void)(*client)->send_checkpoint_committed({PolicyVersion(version), "ckpt"});
    };
    announce();
    while (!stop_work) {
      auto task = (*client)->next_task(milliseconds(20));
      if (!task) return;
      if (!*task) continue;
      if (std::holds_alternative<Shutdown>((*task)->body)) return;
      if (std::holds_alternative<CheckpointRequest>((*task)->body)) save();
      const auto* batch = std::get_if<StepBatch>(&(*task)->body);
      if (batch == nullptr || batch->step.value != version) continue;
      const Digest weights = DigestBuilder().add(served[version]).add(batch->batch_digest).finish();
      served[++version] = weights;
      while (served.size() > 3) served.erase(served.begin());
      announce();
      (void)(*client)->send_step_done(
          (*task)->lease, {batch->step, PolicyVersion(version), batch->batch_digest, weights, 0.5, {{"kl", 0.25}}});
      if (version % 3 == 0) save();
    }
  }

  void start_workers() {
    stop_work = false;
    workers.emplace_back([this] { learn(); });
    for (int i = 0; i < 2; ++i) workers.emplace_back([this, i] { work(Role::kRollout, fmt::format("rollout-{}", i)); });
    workers.emplace_back([this] { work(Role::kReward, "reward-0"); });
  }
  void stop_workers() {
    stop_work = true;
    for (auto& worker : workers) worker.join();
    workers.clear();
  }

  // One life of the coordinator, to its end or until `steps` reports were made; then a stop is requested.
  Status coordinate(size_t stop_after_reports = SIZE_MAX) {
    std::atomic<bool> stop = false, over = false;
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

  CoordinatorOptions options;
  RecordingSink sink;
  LearnerDisk disk;
  std::atomic<bool> stop_work = false;
  std::vector<std::thread> workers;
};

Digest final_digest(const TestRun& run) { return inspect_run(posix_file_system(), run.options.run_dir)->run_digest; }

TEST(Coordinator, RunsToTheEndReportsEachStepOnceAndArchivesEverything) {
  TestRun run("coordinator_whole");
  const Status status = run.coordinate();
  ASSERT_TRUE(status) << status.error().message;
  ASSERT_EQ(run.sink.reports.size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    const StepReport& report = run.sink.reports[i];
    EXPECT_EQ(report.step, i + 1);
    EXPECT_EQ(report.samples.size(), 6u);
    EXPECT_EQ(report.metrics.at("kl"), 0.25);
    EXPECT_EQ(report.metrics.at("loss"), 0.5);
    EXPECT_EQ(report.metrics.at("reward/gate"), i >= 4 ? 1.0 : 0.0);
    EXPECT_TRUE(report.metrics.contains("reward"));
    EXPECT_TRUE(report.metrics.contains("rewards/accuracy/mean"));
    EXPECT_TRUE(report.metrics.contains("completions/mean_length"));
    EXPECT_TRUE(report.metrics.contains("frac_reward_zero_std"));
    EXPECT_TRUE(report.metrics.contains("rewards/accuracy/emotion/happy") ||
                report.metrics.contains("rewards/accuracy/emotion/sad"));
    EXPECT_EQ(report.metrics.contains("rewards/reasoning/mean"), i >= 4) << i;
    EXPECT_EQ(report.samples[0].prompt, "which?");
    if (i > 0) {
      EXPECT_GT(report.metrics.at("num_tokens"), run.sink.reports[i - 1].metrics.at("num_tokens"));
    }
  }
  EXPECT_GE(run.sink.syncs, 2);
  EXPECT_EQ(run.sink.finishes, 1);
  const auto state = inspect_run(posix_file_system(), run.options.run_dir);
  EXPECT_TRUE(state->complete);
  EXPECT_EQ(state->trained_steps, 8u);
  const auto segments = list_segments(posix_file_system(), run.options.run_dir / "rollouts");
  ASSERT_TRUE(segments);
  EXPECT_EQ(archived_before(*segments), 8u);
  for (const Segment& segment : *segments) EXPECT_TRUE(read_segment(segment.path));
  // The same command again: done already.
  EXPECT_TRUE(run.coordinate());
  EXPECT_EQ(run.sink.reports.size(), 8u);
}

TEST(Coordinator, StoppedAndRerunEndsInTheSameDigest) {
  TestRun straight("coordinator_straight");
  ASSERT_TRUE(straight.coordinate());
  TestRun broken("coordinator_stopped");
  const Status stopped = broken.coordinate(2);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, ErrorCode::kInterrupted) << stopped.error().message;
  broken.stop_workers();
  EXPECT_GE(inspect_run(posix_file_system(), broken.options.run_dir)->last_checkpoint, 2u);
  const Status status = broken.coordinate();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(final_digest(broken), final_digest(straight));
}

TEST(Coordinator, RestartedCoordinatorMeetsTheSameWorkers) {
  TestRun straight("coordinator_straight2");
  ASSERT_TRUE(straight.coordinate());
  TestRun run("coordinator_restarted");
  // No learner grace: the coordinator leaves at once, like a crash, while workers stay and dial again. They are told to
  // shut down only by a coordinator that finishes in order, so let the first life fail in its metrics sink.
  class FailingSink : public MetricsSink {
   public:
    Status on_step(const StepReport& report) override {
      if (report.step == 3) return fail(ErrorCode::kStorage, "disk full");
      return {};
    }
    Status sync() override { return {}; }
    Status finish() override { return {}; }
  } failing;
  run.options.on_listening = [&](const std::string&) { run.start_workers(); };
  std::atomic<bool> stop = false;
  const Status first = run_coordinator(run.options, failing, stop);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::kStorage);
  const Status second = run.coordinate();
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(final_digest(run), final_digest(straight));
  // Reported again from the last checkpoint on: step 3 is not missing.
  EXPECT_TRUE(std::any_of(run.sink.reports.begin(), run.sink.reports.end(),
                          [](const StepReport& report) { return report.step == 3; }));
}

TEST(Coordinator, RunIsCompleteOnlyOnceItsArchiveIs) {
  TestRun run("coordinator_archive_fails");
  run.options.archive_steps = 100;  // one segment, at the end
  const auto rollouts = run.options.run_dir / "rollouts";
  std::filesystem::create_directories(run.options.run_dir);
  std::atomic<bool> stop = false;
  CoordinatorOptions options = run.options;
  options.on_listening = [&](const std::string&) {
    std::ofstream(rollouts) << "in the way of the folder";
    run.start_workers();
  };
  const Status first = run_coordinator(options, run.sink, stop);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::kStorage) << first.error().message;
  EXPECT_EQ(inspect_run(posix_file_system(), run.options.run_dir)->trained_steps, 8u);
  EXPECT_FALSE(inspect_run(posix_file_system(), run.options.run_dir)->complete);
  std::filesystem::remove(rollouts);
  const Status second = run.coordinate();
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_TRUE(inspect_run(posix_file_system(), run.options.run_dir)->complete);
  EXPECT_EQ(archived_before(*list_segments(posix_file_system(), rollouts)), 8u);
}

TEST(Coordinator, SecondCoordinatorInARunFolderIsRefusedByItsLock) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "coordinator_lock";
  std::filesystem::remove_all(folder);
  auto lock = lock_run(posix_file_system(), folder);
  ASSERT_TRUE(lock) << lock.error().message;
  const auto second = lock_run(posix_file_system(), folder);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(second.error().message.find("another coordinator"), std::string::npos) << second.error().message;
  EXPECT_NE(second.error().message.find(fmt::format("process {}", ::getpid())), std::string::npos);
  lock->reset();
  EXPECT_TRUE(lock_run(posix_file_system(), folder));
}

TEST(Coordinator, OtherConfigurationOrDatasetInTheSameFolderIsRefused) {
  TestRun run("coordinator_other");
  ASSERT_FALSE(run.coordinate(1));
  run.stop_workers();
  CoordinatorOptions other = run.options;
  other.on_listening = nullptr;
  other.run.config_digest = DigestBuilder().add("changed").finish();
  std::atomic<bool> stop = true;
  auto refused = run_coordinator(other, run.sink, stop);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidInput);
  EXPECT_NE(refused.error().message.find("configuration digest"), std::string::npos) << refused.error().message;
  other.run.config_digest = Digest{};
  other.rows[0] = "{}";
  refused = run_coordinator(other, run.sink, stop);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("dataset digest"), std::string::npos) << refused.error().message;
}

TEST(Coordinator, NoiseOnThePortDoesNotDisturbTheRun) {
  TestRun run("coordinator_noise");
  std::atomic<bool> over = false;
  std::string endpoint;
  std::thread noisy;
  run.options.on_listening = nullptr;
  std::atomic<bool> stop = false;
  CoordinatorOptions options = run.options;
  options.on_listening = [&](const std::string& where) {
    endpoint = where;
    run.start_workers();
    noisy = std::thread([&] {
      zmq::context_t context;
      auto socket = connect_dealer(context, endpoint, "noise", SocketOptions{});
      PhiloxStream stream(1);
      while (!over && socket) {
        std::vector<std::byte> junk(stream.next_below(300));
        for (auto& byte : junk) byte = static_cast<std::byte>(stream.next_u32());
        if (stream.next_below(2) == 0) {  // a good header around a bad payload
          FrameHeader header;
          header.type = static_cast<MessageType>(1 + stream.next_below(9));
          header.run_id = RunId(stream.next_u32());
          junk = encode_frame(header, junk);
        }
        (void)dealer_send(*socket, junk);
        (void)dealer_receive(*socket);
        std::this_thread::sleep_for(milliseconds(1));
      }
    });
  };
  const Status status = run_coordinator(options, run.sink, stop);
  over = true;
  noisy.join();
  ASSERT_TRUE(status) << status.error().message;
}

}  // namespace
}  // namespace prosodia
