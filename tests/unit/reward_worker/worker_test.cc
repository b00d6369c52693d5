// run_reward_worker over real sockets on loopback, against a hand-driven ROUTER.
#include "workers/reward/worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/support/hand_driven_coordinator.h"
#include "tests/unit/reward_worker/scripted_scorer.h"
#include "workers/reward/scorer_factory.h"

namespace prosodia {
namespace {

using namespace protocol;
using std::chrono::milliseconds;

constexpr const char* kRow = R"({"solution":"happy","prosody":{"pitch":"high","energy":"high","speed":"fast"}})";
constexpr const char* kText = "<think>The pitch is high and the pace is fast, so joy.</think><answer>happy</answer>";

TaskReward task(uint64_t group, double gate, std::string row = kRow) {
  TaskReward result;
  result.group_id = GroupId(group);
  result.gate = gate;
  result.need_reasoning = gate > 0;
  result.row_json = std::move(row);
  result.completions = {{.text = kText}, {.text = "sad"}};
  return result;
}

// The coordinator's side: welcomes, acknowledges, collects results; the worker runs on its own thread.
class Harness {
 public:
  explicit Harness(RewardWorkerOptions options) {
    coordinator_.handler = [this](const std::string& peer, const FrameView& frame) { handle(peer, frame); };
    thread_ = std::thread([this, options = std::move(options)] {
      WorkerClientOptions client_options;
      client_options.endpoint = coordinator_.endpoint();
      client_options.role = Role::kReward;
      client_options.name = "reward-0";
      auto client = WorkerClient::connect(client_options);
      status_ = client ? run_reward_worker(options, **client) : Status(tl::unexpected(client.error()));
      ended_ = true;
    });
    EXPECT_TRUE(run_until([&] { return !coordinator_.peer.empty(); }));
  }
  ~Harness() {
    if (thread_.joinable()) (void)shut_down(0);
  }

  template <class M>
  void send(const M& message, uint64_t lease = 0) {
    coordinator_.send(coordinator_.peer, message, lease);
  }
  Status shut_down(int exit_code) {
    (void)coordinator_.try_send(coordinator_.peer, Shutdown{exit_code, "done"});
    return ended();
  }
  Status ended() {  // waits for the worker to end by itself
    EXPECT_TRUE(run_until([&] { return ended_.load(); }));
    thread_.join();
    return status_;
  }
  bool run_until(const std::function<bool()>& done) { return coordinator_.run_until(done); }

  std::map<uint64_t, RewardResult> results;  // by group
  std::map<uint64_t, TaskFailed> failures;
  std::map<uint64_t, uint64_t> progress;  // by lease
  int heartbeats = 0;

 private:
  void handle(const std::string& peer, const FrameView& frame) {
    coordinator_.greet(peer, frame);
    switch (frame.header.type) {
      case MessageType::kHeartbeat: {
        ++heartbeats;
        const auto beat = decode<Heartbeat>(frame.payload).value();
        for (const auto& lease : beat.leases) progress[lease.lease.value] = lease.progress;
        break;
      }
      case MessageType::kRewardResult: {
        auto result = decode<RewardResult>(frame.payload).value();
        results[result.group_id.value] = result;
        (void)coordinator_.try_send(peer, ResultAck{frame.header.seq});
        break;
      }
      case MessageType::kTaskFailed: {
        auto failed = decode<TaskFailed>(frame.payload).value();
        failures[failed.group_id.value] = failed;
        (void)coordinator_.try_send(peer, ResultAck{frame.header.seq});
        break;
      }
      default:
        break;
    }
  }

  testing_support::HandDrivenCoordinator coordinator_{"tcp://127.0.0.1:*", 1, /*heartbeat_ms=*/20};
  std::thread thread_;
  Status status_;
  std::atomic<bool> ended_ = false;
};

RewardWorkerOptions acoustic() {
  RewardWorkerOptions options;
  options.scorer = standard_scorers().make("acoustic").value();
  return options;
}

TEST(RewardWorker, ScoresGroupsAndEndsOnShutdown) {
  Harness harness(acoustic());
  harness.send(task(1, 0), 11);
  harness.send(task(2, 1), 12);
  ASSERT_TRUE(harness.run_until([&] { return harness.results.size() == 2; }));
  EXPECT_DOUBLE_EQ(harness.results[1].responses[0].total, 1.3);
  EXPECT_EQ(harness.results[1].responses[0].reasoning_status, ReasoningStatus::kNotRequested);
  const auto& scored = harness.results[2].responses[0];
  EXPECT_EQ(scored.reasoning_status, ReasoningStatus::kValue);
  EXPECT_DOUBLE_EQ(scored.total, 1.3 + 0.5 * harness.results[2].tau * scored.reasoning);
  EXPECT_EQ(harness.results[2].responses.size(), 2u);
  EXPECT_TRUE(harness.shut_down(0));
}

TEST(RewardWorker, BadRowFailsTheLeaseAndTheNextIsScored) {
  Harness harness(acoustic());
  harness.send(task(1, 0, "{}"), 11);
  harness.send(task(2, 0), 12);
  ASSERT_TRUE(harness.run_until([&] { return harness.results.size() + harness.failures.size() == 2; }));
  EXPECT_EQ(harness.failures.at(1).code, ErrorCode::kInvalidInput);
  EXPECT_NE(harness.failures.at(1).message.find("solution"), std::string::npos);
  EXPECT_EQ(harness.results.count(2), 1u);
  const Status status = harness.shut_down(6);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
}

// A scorer that hangs: heartbeats and progress go on meanwhile, then every response is a timeout, not a 0.
TEST(RewardWorker, HangingScorerIsATimeoutAndBlocksNoHeartbeat) {
  std::atomic<bool> release = false;
  auto scorer = std::make_shared<ScriptedScorer>([&](const ScoringRequest& request, std::stop_token) {
    release.wait(false);
    return threes(request);
  });
  RewardWorkerOptions options;
  options.scorer = scorer;
  options.reasoning_limit = milliseconds(600);
  {
    Harness harness(options);
    harness.send(task(1, 1), 11);
    ASSERT_TRUE(harness.run_until([&] { return scorer->calls == 1; }));
    const int before = harness.heartbeats;
    ASSERT_TRUE(harness.run_until([&] { return harness.results.size() == 1; }));
    EXPECT_GT(harness.heartbeats - before, 5);
    EXPECT_GT(harness.progress[11], 0u);
    for (const auto& response : harness.results[1].responses) {
      EXPECT_EQ(response.reasoning_status, ReasoningStatus::kTimeout);
      EXPECT_FALSE(response.present);
      EXPECT_TRUE(response.scored);
    }
    EXPECT_EQ(harness.results[1].responses[0].accuracy, 1);
    release = true;
    release.notify_all();
    harness.send(task(2, 1), 12);  // and the worker goes on
    ASSERT_TRUE(harness.run_until([&] { return harness.results.size() == 2; }));
    EXPECT_EQ(harness.results[2].responses[0].reasoning_status, ReasoningStatus::kValue);
  }
}

TEST(RewardWorker, AScorerThatHangsForGoodEndsTheProcessAfterItsTimeouts) {
  std::atomic<bool> release = false;
  RewardWorkerOptions options;
  options.scorer = std::make_shared<ScriptedScorer>([&](const ScoringRequest& request, std::stop_token) {
    release.wait(false);
    return threes(request);
  });
  options.reasoning_limit = milliseconds(50);
  options.end_when_stuck = true;
  Harness harness(options);
  harness.send(task(1, 1), 11);
  harness.send(task(2, 1), 12);
  EXPECT_TRUE(harness.run_until([&] { return harness.results.size() == 2; }));
  for (const auto& [group, result] : harness.results)
    EXPECT_EQ(result.responses[0].reasoning_status, ReasoningStatus::kTimeout) << group;
  release = true;  // or the destructor waits for its grace
  release.notify_all();
  const Status status = harness.shut_down(0);  // it ends by itself; Shutdown finds nobody
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(status.error().message.find("hangs"), std::string::npos);
}

TEST(RewardWorker, ACancelledLeaseFreesTheWorker) {
  std::atomic<bool> release = false;
  auto scorer = std::make_shared<ScriptedScorer>([&](const ScoringRequest& request, std::stop_token) {
    release.wait(false);
    return threes(request);
  });
  RewardWorkerOptions options;
  options.scorer = scorer;
  options.reasoning_limit = milliseconds(3'600'000);
  Harness harness(options);
  harness.send(task(1, 1), 11);
  ASSERT_TRUE(harness.run_until([&] { return scorer->calls == 1; }));
  harness.send(CancelLease{}, 11);
  harness.send(task(2, 0), 12);  // needs no scorer
  EXPECT_TRUE(harness.run_until([&] { return harness.results.contains(2); }));
  EXPECT_FALSE(harness.results.contains(1));
  EXPECT_FALSE(harness.failures.contains(1));
  release = true;
  release.notify_all();
}

TEST(RewardWorker, StopsWhenAsked) {
  std::atomic<bool> stop = false;
  auto options = acoustic();
  options.stop_requested = [&] { return stop.load(); };
  Harness harness(options);
  stop = true;
  const Status status = harness.ended();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInterrupted);
}

TEST(RewardWorker, RefusesBadOptions) {
  RewardWorkerOptions none;
  Harness harness(none);  // weight 0.5, no scorer
  const Status status = harness.shut_down(0);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUsage);
  EXPECT_NE(status.error().message.find("--reasoning_scorer"), std::string::npos);
}

}  // namespace
}  // namespace prosodia
