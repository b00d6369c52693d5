// A whole run, real sockets, and a network that misbehaves between workers, coordinator and learner. Each test ends in
// the digest of the undisturbed run. What the proxies do is drawn from a printed seed.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <optional>

#include "data/base/philox.h"
#include "orchestrator/protocol/socket_events.h"
#include "orchestrator/protocol/transport.h"
#include "tests/support/chaos_proxy.h"
#include "tests/support/fake_cluster.h"
#include "tests/support/loopback.h"
#include "tests/support/pause_watch.h"

namespace prosodia {
namespace {

using namespace protocol;
using std::chrono::milliseconds;
using testing_support::ChaosProxy;
using testing_support::FakeCluster;
using testing_support::fresh_keys;
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

// Of the same run without proxies: the size of the weights decides their digests, and so what is sampled.
Digest undisturbed_digest(size_t weights_bytes) {
  static std::map<size_t, Digest> known;
  if (const auto found = known.find(weights_bytes); found != known.end()) return found->second;
  FakeCluster calm("network_calm");
  calm.weights_bytes = weights_bytes;
  const Status status = calm.coordinate();
  EXPECT_TRUE(status) << status.error().message;
  return known[weights_bytes] = calm.final_digest();
}

void expect_same_result(ProxiedRun& run) {
  const Status status = run.cluster.coordinate();
  ASSERT_TRUE(status) << status.error().message;
  run.cluster.stop_workers();
  EXPECT_EQ(run.cluster.final_digest(), undisturbed_digest(run.cluster.weights_bytes));
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

size_t resident_bytes() {
  size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

// Peers with a rollout key that claim to be a learner, post rewards, flood and send garbage, and one without a key that
// opens connections and writes noise. They run until `over`.
class HostilePeers {
 public:
  HostilePeers(const std::string& endpoint, const CredentialsPtr& keys) {
    threads_.emplace_back([this, endpoint, keys] { speak(endpoint, keys); });
    threads_.emplace_back([this, endpoint] { knock(endpoint); });
  }
  ~HostilePeers() {
    over_ = true;
    for (auto& thread : threads_) thread.join();
  }

 private:
  void speak(const std::string& endpoint, const CredentialsPtr& keys) {
    zmq::context_t context;
    SocketOptions options;
    EXPECT_TRUE(set_server_key(options, keys, Principal::kCoordinator, 0));
    auto socket = connect_dealer(context, endpoint, "hostile#1", options);
    Hello learner;
    learner.role = Role::kLearner;
    learner.name = "learner";
    Hello rollout;
    rollout.name = "hostile";
    std::vector<std::byte> garbage(2000);
    PhiloxStream stream(3);
    FrameHeader header;
    header.sender_epoch = WorkerEpoch(1);
    std::vector<std::byte> flood(size_t{256} << 10);
    while (!over_) {
      while (auto frame = dealer_receive(*socket)) {
        const auto view = decode_frame(bytes_of(frame->bytes), kMaxPayloadFromCoordinator);
        if (view && view->header.type == MessageType::kWelcome) header.run_id = view->header.run_id;
      }
      header.seq++;
      for (auto& byte : garbage) byte = static_cast<std::byte>(stream.next_u32());
      (void)dealer_send(*socket, encode_message(header, learner));
      (void)dealer_send(*socket, encode_message(header, rollout));
      (void)dealer_send(*socket, encode_message(header, RewardResult{GroupId(stream.next_below(16))}));
      (void)dealer_send(*socket, garbage);
      for (int i = 0; i < 20; ++i) (void)dealer_send(*socket, flood);
      std::this_thread::sleep_for(milliseconds(2));
    }
  }
  void knock(const std::string& endpoint) {
    const uint16_t port = port_of(endpoint);
    std::deque<Descriptor> crowd;
    const std::vector<char> noise(500, 'x');
    while (!over_) {
      crowd.push_back(testing_support::connect_loopback(port));
      if (crowd.back().valid()) (void)!::send(crowd.back().get(), noise.data(), noise.size(), MSG_NOSIGNAL);
      if (crowd.size() > 50) crowd.pop_front();
      std::this_thread::sleep_for(milliseconds(2));
    }
  }

  std::atomic<bool> over_ = false;
  std::vector<std::thread> threads_;
};

TEST(Network, HostilePeersAreRefusedAndMemoryStaysFlat) {
  ProxiedRun run("network_hostile");
  run.cluster.keys = fresh_keys("network_hostile_keys");
  run.cluster.options.peer_limits.bytes_per_s = 5e6;
  run.cluster.options.peer_limits.byte_burst = 20e6;
  run.cluster.work = milliseconds(50);
  run.cluster.options.run.rollout_lease_ms = 600;  // the hostile worker is welcome with its key, and never answers
  std::optional<HostilePeers> hostile;
  const size_t before = resident_bytes();
  size_t most = 0;
  run.on_tick = [&](const core::RunCore& core) {
    if (!hostile && core.trained_steps() >= 1) {
      std::string endpoint;
      std::getline(std::ifstream(run.cluster.options.run_dir / "coordinator.endpoint") >> std::ws, endpoint);
      hostile.emplace(endpoint, *load_credentials(run.cluster.keys, Principal::kRollout));
    }
    most = std::max(most, resident_bytes());
  };
  expect_same_result(run);
  hostile.reset();
  EXPECT_GT(run.counters.foreign_hellos, 0u);
  EXPECT_EQ(run.counters.workers_fenced, 0u) << "the learner was replaced by an impostor";
  EXPECT_LT(most, before + (size_t{300} << 20));
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
