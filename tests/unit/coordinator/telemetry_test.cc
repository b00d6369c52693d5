// Telemetry fed by a real coordinator with real workers in one process.
#include "orchestrator/coordinator/telemetry.h"

#include <gmock/gmock.h>

#include "data/store/fs.h"
#include "orchestrator/monitor/http_get.h"
#include "orchestrator/protocol/transport.h"
#include "tests/support/fake_cluster.h"

namespace prosodia {
namespace {

using testing::HasSubstr;
using testing_support::FakeCluster;

TEST(WorkerRates, CountTheLastMinute) {
  WorkerRates rates;
  EXPECT_EQ(rates.rate("a", 0), 0);
  rates.add("a", 100, 0);
  EXPECT_DOUBLE_EQ(rates.rate("a", 0), 20) << "over the first five seconds at least";
  rates.add("a", 100, 30'000);
  EXPECT_DOUBLE_EQ(rates.rate("a", 30'000), 200.0 / 35);
  EXPECT_DOUBLE_EQ(rates.rate("a", 59'999), 200 / 60.0) << "a minute at most";
  EXPECT_DOUBLE_EQ(rates.rate("a", 65'000), 100 / 60.0) << "the first delivery is forgotten";
  EXPECT_EQ(rates.rate("a", 3'000'000), 0);
  EXPECT_EQ(rates.rate("b", 0), 0);
}

TEST(Telemetry, ShowsARunFromStartToEnd) {
  FakeCluster cluster("telemetry");
  std::atomic<bool> stop = false;
  std::optional<Telemetry> telemetry;
  std::filesystem::create_directories(cluster.options.run_dir);
  telemetry.emplace(TelemetryOptions{.run_dir = cluster.options.run_dir, .period_ms = 1}, stop);
  std::vector<LiveStatus> seen;
  cluster.options.on_tick = [&](const core::RunCore& core) {
    telemetry->on_tick(core, protocol::steady_now_ms(), 1000);
    seen.push_back(*telemetry->board().newest());
  };
  cluster.options.on_record = [&](const core::Record& record) {
    telemetry->on_record(record, protocol::steady_now_ms());
  };
  cluster.options.on_journal_sync = [&](double seconds) { telemetry->on_journal_sync(seconds); };
  const Status outcome = cluster.coordinate();
  ASSERT_TRUE(outcome) << outcome.error().message;
  for (const StepReport& report : cluster.sink.reports) telemetry->on_report(report);
  telemetry->on_end(outcome, 1002);

  EXPECT_TRUE(std::any_of(seen.begin(), seen.end(), [](const LiveStatus& status) {
    return status.phase == RunPhase::kRunning && status.active_leases > 0 && !status.groups.empty();
  }));
  const LiveStatus last = *telemetry->board().newest();
  EXPECT_EQ(last.phase, RunPhase::kComplete);
  EXPECT_EQ(last.trained_steps, 8u);
  EXPECT_EQ(last.total_steps, 8u);
  EXPECT_EQ(last.run_name, cluster.options.run_dir.filename());
  EXPECT_EQ(last.newest.step, 8u);
  EXPECT_EQ(last.responses.size(), kMaxResponsesShown);
  EXPECT_EQ(last.responses.back().step, 8u);
  EXPECT_EQ(last.by_state.at("rollout").size(), 1u);
  double sampled = 0, rate = 0;
  for (const CounterView& counter : last.counters)
    if (counter.family == "tokens_sampled") sampled = counter.value;
  for (const WorkerView& worker : seen.back().workers)
    if (worker.role == "rollout") rate += worker.rate;
  EXPECT_GT(sampled, 0);
  EXPECT_GT(rate, 0);
  telemetry.reset();  // the file has the end
  const auto text = posix_file_system().read_text(cluster.options.run_dir / "status.json");
  ASSERT_TRUE(text);
  EXPECT_EQ(parse_live_status(*text)->phase, RunPhase::kComplete);
}

TEST(Telemetry, SaysHowARunEnded) {
  const auto dir = std::filesystem::path(testing::TempDir()) / "telemetry-end";
  std::filesystem::create_directories(dir);
  std::atomic<bool> stop = true;
  core::RunOptions options;
  options.plan.num_rows = options.plan.total_steps = 1;
  const std::string row = "{}";
  core::RunCore core(options, [&](uint64_t) -> const std::string& { return row; });
  Telemetry telemetry({.run_dir = dir}, stop);
  telemetry.on_end(fail(ErrorCode::kStorage, "disk full"), 5);
  EXPECT_EQ(telemetry.board().newest(), nullptr) << "it never began";
  telemetry.on_tick(core, 10, 5);
  EXPECT_EQ(telemetry.board().newest()->phase, RunPhase::kStopping);
  telemetry.on_end(fail(ErrorCode::kInterrupted, "asked to stop"), 6);
  EXPECT_EQ(telemetry.board().newest()->phase, RunPhase::kStopped);
  telemetry.on_end(fail(ErrorCode::kStorage, "disk full"), 7);
  EXPECT_EQ(telemetry.board().newest()->phase, RunPhase::kFailed);
  EXPECT_EQ(telemetry.board().newest()->message, "disk full");
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace prosodia
