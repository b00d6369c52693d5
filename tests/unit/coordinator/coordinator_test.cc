// run_coordinator with real sockets, a real journal and worker threads whose content is a pure function of (weights,
// seed), as in the simulation. Three ways through the same run must end in the same digest.
#include "orchestrator/coordinator/coordinator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "data/base/philox.h"
#include "data/store/journal.h"
#include "orchestrator/coordinator/archive.h"
#include "orchestrator/protocol/transport.h"
#include "tests/support/fake_cluster.h"

namespace prosodia {
namespace {

using namespace protocol;
using std::chrono::milliseconds;

using TestRun = testing_support::FakeCluster;

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
  EXPECT_EQ(archived_before(*segments, 0), 8u);
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
  EXPECT_EQ(broken.final_digest(), straight.final_digest());
}

// Old segments are retired, old archive files dropped; a stop and a rerun later the digest is the straight run's.
TEST(Coordinator, RetiresTheJournalAndDropsOldArchiveSegments) {
  TestRun straight("coordinator_straight3");
  ASSERT_TRUE(straight.coordinate());
  TestRun run("coordinator_retires");
  run.options.journal_segment_bytes = 2000;
  run.options.archive_steps = 1;
  run.options.archive_keep_steps = 2;
  (void)run.coordinate(7);  // one step past the checkpoint of version 6, so that what it allows has happened
  run.stop_workers();
  const auto dir = run.options.run_dir / "journal";
  JournalRecovery recovery;
  ASSERT_TRUE(read_journal(
      posix_file_system(), dir, [](const JournalRecord&) { return Status{}; }, &recovery));
  EXPECT_GT(recovery.snapshot_lsn, 0u);
  const Status status = run.coordinate();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(run.final_digest(), straight.final_digest());
  EXPECT_EQ(inspect_run(posix_file_system(), run.options.run_dir)->trained_steps, 8u);
  const auto segments = list_segments(posix_file_system(), run.options.run_dir / "rollouts");
  ASSERT_TRUE(segments);
  EXPECT_GT(segments->front().first_step, 0u);
  EXPECT_EQ(archived_before(*segments, segments->front().first_step), 8u);
}

// The journal has forgotten the first steps' records; their batches lie in the archive's HDF5 files alone. A learner
// that has lost its checkpoints starts from version 0 and is sent these batches, bit for bit.
TEST(Coordinator, BatchesThatTheJournalForgotComeBackFromTheArchive) {
  constexpr uint64_t kSteps = 40;  // long enough that the stop below comes before the end
  TestRun straight("coordinator_straight4");
  straight.options.run.plan.total_steps = kSteps;
  ASSERT_TRUE(straight.coordinate());
  TestRun run("coordinator_folded");
  run.options.run.plan.total_steps = kSteps;
  run.options.journal_segment_bytes = 2000;
  run.options.archive_steps = 1;
  const Status stopped = run.coordinate(7);
  ASSERT_FALSE(stopped);
  ASSERT_EQ(stopped.error().code, ErrorCode::kInterrupted) << stopped.error().message;
  run.stop_workers();
  run.lose_checkpoints();
  uint64_t folded = 0, replayed = 0;
  run.options.on_tick = [&](const core::RunCore& core) {
    folded = std::max(folded, core.folded_steps());
    replayed = core.counters().steps_replayed;
  };
  const auto first_segment = list_segments(posix_file_system(), run.options.run_dir / "rollouts")->front().path;
  const auto aside = run.options.run_dir / "aside.h5";
  std::filesystem::rename(first_segment, aside);
  const Status without = run.coordinate();  // neither here nor there: said, and nothing is made up
  run.stop_workers();
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code, ErrorCode::kCorruption) << without.error().message;
  std::filesystem::rename(aside, first_segment);
  const Status status = run.coordinate();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_GT(folded, 0u) << "the journal still had everything";
  EXPECT_GE(replayed, folded);
  EXPECT_EQ(run.final_digest(), straight.final_digest());
}

TEST(Coordinator, RestartedCoordinatorMeetsTheSameWorkers) {
  TestRun straight("coordinator_straight2");
  ASSERT_TRUE(straight.coordinate());
  TestRun run("coordinator_restarted");
  // No learner grace: the coordinator leaves at once, like a crash, while workers stay and dial again. They are told to
  // shut down only by a coordinator that finishes in order, so let the first life fail in its metrics sink.
  class FailingSink : public MetricsSink {
   public:
    Status on_step(StepReport report) override {
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
  EXPECT_EQ(run.final_digest(), straight.final_digest());
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
  EXPECT_EQ(archived_before(*list_segments(posix_file_system(), rollouts), 0), 8u);
}

TEST(Coordinator, SecondCoordinatorInARunFolderIsRefusedByItsLock) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / fmt::format("coordinator_lock-{}", ::getpid());
  std::filesystem::remove_all(folder);
  auto lock = lock_run(posix_file_system(), folder);
  ASSERT_TRUE(lock) << lock.error().message;
  EXPECT_EQ(std::filesystem::status(folder).permissions() & std::filesystem::perms::others_all,
            std::filesystem::perms::none);
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
