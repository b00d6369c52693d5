// A whole run, real sockets, and a network that misbehaves between workers, coordinator and learner. Each test ends in
// the digest of the undisturbed run. What the proxies do is drawn from a printed seed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "orchestrator/protocol/transport.h"
#include "tests/support/chaos_proxy.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/pause_watch.h"

namespace prosodia {
namespace {

using namespace protocol;
using std::chrono::milliseconds;
using testing_support::ChaosProxy;
using testing_support::FakeCluster;
using testing_support::NetworkFaults;
using testing_support::PauseWatch;

constexpr size_t kSmallMessage = 128;  // bytes: about one frame of control traffic a segment

// A run whose control connections go through one proxy and whose bulk connections through another.
struct ProxiedRun {
  explicit ProxiedRun(const std::string& name, uint64_t seed = 7)
      : cluster(name), control(seed, kSmallMessage), bulk(seed + 1) {
    std::printf("network seed %llu\n", static_cast<unsigned long long>(seed));
    cluster.dial_control = [this](const std::string& endpoint) { return through(control, control_endpoint, endpoint); };
    cluster.dial_bulk = [this](const std::string& endpoint) { return through(bulk, bulk_endpoint, endpoint); };
    cluster.options.on_tick = [this](const core::RunCore& core) {
      counters = core.counters();
      ++ticks;
      if (on_tick) on_tick(core);
    };
  }
  ~ProxiedRun() {
    calm();
    cluster.stop_workers();
  }
  void calm() {
    control.set({});
    bulk.set({});
  }
  std::string through(ChaosProxy& proxy, std::string& own, const std::string& endpoint) {
    const std::lock_guard lock(mutex);
    if (own.empty()) {
      own = proxy.start(endpoint);
    } else {
      proxy.retarget(endpoint);
    }
    return own;
  }

  FakeCluster cluster;
  ChaosProxy control, bulk;
  std::mutex mutex;
  std::string control_endpoint, bulk_endpoint;
  core::Counters counters;  // the coordinator's thread; read it after coordinate()
  uint64_t ticks = 0;
  std::function<void(const core::RunCore&)> on_tick;
};

Digest undisturbed_digest() {
  static const Digest digest = [] {
    FakeCluster calm("network_calm");
    const Status status = calm.coordinate();
    EXPECT_TRUE(status) << status.error().message;
    return calm.final_digest();
  }();
  return digest;
}

void expect_same_result(ProxiedRun& run) {
  const Status status = run.cluster.coordinate();
  ASSERT_TRUE(status) << status.error().message;
  run.cluster.stop_workers();
  EXPECT_EQ(run.cluster.final_digest(), undisturbed_digest());
}

std::filesystem::path fresh_keys(const std::string& name) {
  const auto dir = std::filesystem::path(::testing::TempDir()) / name;
  std::filesystem::remove_all(dir);
  EXPECT_TRUE(generate_keys(dir));
  return dir;
}

TEST(Network, EncryptedRunHasTheSameDigest) {
  ProxiedRun run("network_curve");
  run.cluster.keys = fresh_keys("network_curve_keys");
  expect_same_result(run);
  EXPECT_GT(run.control.stats().connections, 0u);
  EXPECT_GT(run.bulk.stats().bytes, 0u);
}

// 10 minutes of default heartbeats: 600 of them, at a scaled 1 s, with 100 ms delay and 1 % loss (a lost packet of a
// TCP stream is a stall of 200 to 400 ms for all behind it). PROSODIA_NETWORK_SCALE=1 takes the ten minutes themselves.
TEST(Network, NoFalseDeathsIn600HeartbeatsAt100MsDelayAndOnePercentLoss) {
  constexpr int64_t kHeartbeats = 600, kDefaultHeartbeatMs = 1000;
  const char* given = std::getenv("PROSODIA_NETWORK_SCALE");
  const double scale = given != nullptr ? std::atof(given) : 0.03;
  const auto scaled = [scale](int64_t ms) { return static_cast<int64_t>(static_cast<double>(ms) * scale); };
  for (int attempt = 0; attempt < 3; ++attempt) {
    ProxiedRun run("network_loss", 7 + static_cast<uint64_t>(attempt));
    auto& options = run.cluster.options;
    options.run.heartbeat_ms = static_cast<uint32_t>(scaled(kDefaultHeartbeatMs));
    options.tick_ms = std::max<int64_t>(2, scaled(kDefaultHeartbeatMs) / 6);
    options.run.plan.lag = 0;
    options.run.plan.total_steps = 10;
    run.cluster.work = milliseconds(scaled(kHeartbeats * kDefaultHeartbeatMs) / 10);
    NetworkFaults faults;
    faults.delay_ms = std::max<int64_t>(1, scaled(100));
    faults.loss = 0.01;
    faults.stall_min_ms = scaled(200);
    faults.stall_max_ms = scaled(400);
    run.control.set(faults);
    run.bulk.set(faults);
    PauseWatch machine;
    const Status status = run.cluster.coordinate();
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_GT(run.control.stats().stalled, 0u);
    if (run.counters.workers_lost > 0 && machine.longest_ms() > scaled(kDefaultHeartbeatMs) / 2) continue;  // not us
    EXPECT_EQ(run.counters.workers_lost, 0u);
    EXPECT_EQ(run.counters.leases_revoked[0] + run.counters.leases_revoked[1], 0u);
    EXPECT_EQ(run.counters.leases_lost[0] + run.counters.leases_lost[1], 0u);
    return;
  }
  GTEST_SKIP() << "the machine was too busy, three times, to tell its pauses from the network's";
}

// Nothing arrives from the workers, while the coordinator's frames still reach them.
TEST(Network, PartitionedWorkersAreFoundWithinFourHeartbeatsAndComeBack) {
  ProxiedRun run("network_partition");
  run.cluster.options.run.heartbeat_ms = 200;
  run.cluster.work = milliseconds(50);
  std::atomic<int64_t> silent_when_found_ms = -1;
  bool cut = false;
  run.on_tick = [&](const core::RunCore& core) {
    if (core.trained_steps() >= 2 && !cut) {
      cut = true;
      run.control.set({.partition_up = true});
    }
    if (!cut || silent_when_found_ms >= 0 || core.counters().workers_lost == 0) return;
    int64_t last_heard_ms = INT64_MAX;
    for (const auto& [peer, worker] : core.workers().all()) {
      if (worker.state == core::WorkerState::kDead) last_heard_ms = std::min(last_heard_ms, worker.last_heard_ms);
    }
    silent_when_found_ms = steady_now_ms() - last_heard_ms;
    run.calm();
  };
  PauseWatch machine;
  expect_same_result(run);
  EXPECT_GT(run.counters.workers_lost, 0u);
  EXPECT_GE(silent_when_found_ms, 3 * 200);
  EXPECT_LE(silent_when_found_ms, 4 * 200 + machine.longest_ms());
}

// The other way round: the coordinator hears everybody and nobody hears it. Results are resent until acknowledged.
TEST(Network, WorkersThatHearNothingResendAndNothingIsDoneTwice) {
  ProxiedRun run("network_deaf");
  run.cluster.work = milliseconds(20);
  int64_t deaf_at_tick = -1;
  run.on_tick = [&](const core::RunCore& core) {
    if (core.trained_steps() >= 2 && deaf_at_tick < 0) {
      deaf_at_tick = static_cast<int64_t>(run.ticks);
      run.control.set({.partition_down = true});
    }
    if (deaf_at_tick >= 0 && static_cast<int64_t>(run.ticks) == deaf_at_tick + 40) run.calm();
  };
  expect_same_result(run);
  EXPECT_GT(run.cluster.resent, 0u);
}

// Connections go, and those that follow are accepted by something that never forwards a byte.
TEST(Network, HalfOpenConnectionsAreFoundByHeartbeats) {
  ProxiedRun run("network_half_open");
  run.cluster.work = milliseconds(20);
  bool opened = false;
  run.on_tick = [&](const core::RunCore& core) {
    if (core.trained_steps() >= 2 && !opened) {
      opened = true;
      run.control.set({.half_open = true});
      run.control.cut_all();
    }
    // Everybody is found dead; then the network recovers, and only the workers' own heartbeats tell them to dial anew.
    if (opened && core.counters().workers_lost >= 4) run.control.set({});
  };
  expect_same_result(run);
  EXPECT_GE(run.counters.workers_lost, 4u);
}

TEST(Network, CorruptedBytesAreRefusedAndCounted) {
  ProxiedRun run("network_corrupt");
  run.control.set({.corrupt = 0.03});
  run.bulk.set({.corrupt = 0.05});
  run.cluster.weights_bytes = 60'000;
  expect_same_result(run);
  EXPECT_GT(run.control.stats().corrupted, 0u);
  EXPECT_GT(run.bulk.stats().corrupted, 0u);
}

TEST(Network, CorruptedBytesUnderEncryptionCostTheConnection) {
  ProxiedRun run("network_corrupt_curve");
  run.cluster.keys = fresh_keys("network_corrupt_keys");
  run.control.set({.corrupt = 0.02});
  expect_same_result(run);
  EXPECT_GT(run.control.stats().corrupted, 0u);
  EXPECT_EQ(run.counters.bad_frames, 0u) << "a damaged frame got past CURVE";
}

TEST(Network, ConnectionsThatDropAndALineThatIsSlow) {
  ProxiedRun run("network_drop");
  run.cluster.weights_bytes = 100'000;
  run.control.set({.delay_ms = 5, .cut = 0.01});
  run.bulk.set({.cut = 0.01, .bytes_per_s = 2e6});
  expect_same_result(run);
  EXPECT_GT(run.control.stats().cut + run.bulk.stats().cut, 0u);
}

// Control works and the weights port does not: groups go back without counting as lost, as often as it takes.
TEST(Network, UnreachableWeightsPortIsNotTheGroupsFault) {
  ProxiedRun run("network_bulk_gone");
  run.cluster.options.run.max_lost_leases = 2;
  run.bulk.set({.half_open = true});
  run.on_tick = [&](const core::RunCore& core) {
    if (core.counters().weights_unreachable >= 4) {
      run.bulk.set({});
      run.bulk.cut_all();
    }
  };
  expect_same_result(run);
  EXPECT_GE(run.counters.weights_unreachable, 4u);
}

}  // namespace
}  // namespace prosodia
