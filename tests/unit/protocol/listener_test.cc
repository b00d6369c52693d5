// Listener with keys, over real sockets on loopback: who may connect, who is whom, what a hostile peer can do.
#include "orchestrator/protocol/listener.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "orchestrator/protocol/bulk.h"
#include "orchestrator/protocol/worker_client.h"
#include "tests/support/loopback.h"

namespace prosodia::protocol {
namespace {

using std::chrono::milliseconds;
using testing_support::connect_loopback;
using testing_support::fresh_keys;

CredentialsPtr credentials(const std::filesystem::path& dir, Principal self) {
  auto loaded = load_credentials(dir, self);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return *loaded;
}

struct Server {
  explicit Server(CredentialsPtr keys, PeerLimits limits = {}, size_t max_connections = 100) {
    ListenerOptions options;
    options.credentials = std::move(keys);
    options.admitted = {Principal::kLearner, Principal::kRollout, Principal::kReward};
    options.limits = limits;
    options.max_connections = max_connections;
    auto opened = Listener::open(context, options);
    EXPECT_TRUE(opened) << opened.error().message;
    listener = std::move(*opened);
  }
  // Serves until `done` or 20 s.
  bool run_until(const std::function<bool()>& done) {
    const int64_t end = steady_now_ms() + 20'000;
    while (steady_now_ms() < end) {
      if (done()) return true;
      zmq::pollitem_t item{listener->socket().handle(), 0, ZMQ_POLLIN, 0};
      poll_sockets({&item, 1}, milliseconds(5));
      while (auto frame = listener->receive(steady_now_ms())) {
        frames.push_back({frame->peer, frame->principal});
        if (decode_frame(bytes_of(frame->bytes), 1000)) continue;
        listener->report_bad(*frame, steady_now_ms());
      }
      listener->tend();
    }
    return false;
  }
  zmq::context_t context;
  std::unique_ptr<Listener> listener;
  std::vector<std::pair<std::string, std::optional<Principal>>> frames;
};

zmq::socket_t dial(zmq::context_t& context, const Server& server, const std::string& id, const CredentialsPtr& keys,
                   size_t attempt = 0) {
  SocketOptions options;
  options.reconnect_ms = 10;
  options.reconnect_max_ms = 50;
  EXPECT_TRUE(set_server_key(options, keys, Principal::kCoordinator, attempt));
  auto socket = connect_dealer(context, server.listener->endpoint(), id, options);
  EXPECT_TRUE(socket) << socket.error().message;
  return std::move(*socket);
}

std::vector<std::byte> a_frame() {
  FrameHeader header;
  header.type = MessageType::kPing;
  return encode_frame(header, {});
}

TEST(Listener, FramesCarryThePrincipalOfTheirKey) {
  const auto dir = fresh_keys("listener_principals");
  Server server(credentials(dir, Principal::kCoordinator));
  zmq::context_t context;
  auto rollout = dial(context, server, "a", credentials(dir, Principal::kRollout));
  auto reward = dial(context, server, "b", credentials(dir, Principal::kReward));
  ASSERT_TRUE(server.run_until([&] {
    dealer_send(rollout, a_frame());
    dealer_send(reward, a_frame());
    const auto has = [&](const char* peer) {
      return std::any_of(server.frames.begin(), server.frames.end(), [&](auto& f) { return f.first == peer; });
    };
    return has("a") && has("b");
  }));
  for (const auto& [peer, principal] : server.frames) {
    EXPECT_EQ(principal, peer == "a" ? Principal::kRollout : Principal::kReward);
  }
}

TEST(Listener, UnknownKeysPlaintextAndForeignPrincipalsAreRefusedAndCounted) {
  const auto dir = fresh_keys("listener_strangers"), other = fresh_keys("listener_strangers_other");
  Server server(credentials(dir, Principal::kCoordinator));
  zmq::context_t context;
  // Knows the server's public key, but its own is not on the list.
  std::ofstream(other / "allow_list") << std::ifstream(dir / "allow_list").rdbuf();
  auto stranger = dial(context, server, "stranger", credentials(other, Principal::kRollout));
  auto plain = dial(context, server, "plain", nullptr);
  auto coordinator =
      dial(context, server, "coordinator", credentials(dir, Principal::kCoordinator));  // on the list, not a worker
  EXPECT_TRUE(server.run_until([&] {
    for (auto* socket : {&stranger, &plain, &coordinator}) dealer_send(*socket, a_frame());
    const auto stats = server.listener->stats();
    return stats.refused_keys >= 2 && stats.connections.handshakes_failed >= 3;
  }));
  EXPECT_TRUE(server.frames.empty());
}

TEST(Listener, AClientRefusesAServerWithAnotherKey) {
  const auto dir = fresh_keys("listener_server"), imposter = fresh_keys("listener_imposter");
  // The imposter accepts anybody's key.
  std::ofstream(imposter / "allow_list", std::ios::app) << std::ifstream(dir / "allow_list").rdbuf();
  Server server(credentials(imposter, Principal::kCoordinator));
  WorkerClientOptions options;
  options.endpoint = server.listener->endpoint();
  options.name = "rollout-0";
  options.credentials = credentials(dir, Principal::kRollout);
  options.connect_timeout = milliseconds(600);
  options.coordinator_timeout = milliseconds(600);
  const auto client = WorkerClient::connect(options);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::kUnavailable);
  (void)server.run_until([] { return true; });
  EXPECT_TRUE(server.frames.empty()) << "it said Hello to an imposter";
}

TEST(Listener, ARefusedKeyIsToldToTheWorker) {
  const auto dir = fresh_keys("listener_told"), other = fresh_keys("listener_told_other");
  std::ofstream(other / "allow_list") << std::ifstream(dir / "allow_list").rdbuf();
  Server server(credentials(dir, Principal::kCoordinator));
  WorkerClientOptions options;
  options.endpoint = server.listener->endpoint();
  options.name = "rollout-0";
  options.credentials = credentials(other, Principal::kRollout);
  const auto client = WorkerClient::connect(options);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::kUsage);
  EXPECT_NE(client.error().message.find("refused the key"), std::string::npos) << client.error().message;
}

TEST(Listener, RotatedKeysOfBothSidesWork) {
  const auto dir = fresh_keys("listener_rotated");
  const auto old_rollout = credentials(dir, Principal::kRollout);
  ASSERT_TRUE(rotate_key(dir, Principal::kRollout));
  const auto old_coordinator = credentials(dir, Principal::kCoordinator);
  ASSERT_TRUE(rotate_key(dir, Principal::kCoordinator));
  Server server(old_coordinator);  // not restarted yet: its key is the second on the list
  zmq::context_t context;
  auto old_worker = dial(context, server, "old", old_rollout, 1);
  auto new_worker = dial(context, server, "new", credentials(dir, Principal::kRollout), 1);
  std::set<std::string> heard;
  EXPECT_TRUE(server.run_until([&] {
    dealer_send(old_worker, a_frame());
    dealer_send(new_worker, a_frame());
    for (const auto& frame : server.frames) heard.insert(frame.first);
    return heard.size() == 2;
  }));
  // The old line removed: the key no longer opens the door, without a restart of the server.
  AllowList list = *AllowList::load(dir / "allow_list"), shorter;
  for (const Principal principal : kPrincipals) {
    for (const auto& key : list.keys_of(principal)) {
      if (key != old_rollout->public_key) shorter.add(principal, key);
    }
  }
  std::ofstream(dir / "allow_list") << shorter.text();
  auto late = dial(context, server, "late", old_rollout, 1);
  EXPECT_TRUE(server.run_until([&] { return server.listener->stats().refused_keys > 0; }));
}

TEST(Listener, GarbageIsCountedAndItsSenderCutWhileOthersGoOn) {
  PeerLimits limits;
  limits.max_strikes = 8;
  Server server(nullptr, limits);
  zmq::context_t context;
  auto noise = dial(context, server, "noise", nullptr);
  auto good = dial(context, server, "good", nullptr);
  const std::vector<std::byte> junk(100);
  size_t good_frames = 0;
  EXPECT_TRUE(server.run_until([&] {
    dealer_send(noise, junk);
    dealer_send(good, a_frame());
    good_frames = static_cast<size_t>(
        std::count_if(server.frames.begin(), server.frames.end(), [](auto& f) { return f.first == "good"; }));
    return server.listener->stats().cut >= 2 && good_frames >= 20;  // it dialled again, and was cut again
  }));
  EXPECT_GE(server.listener->stats().bad_frames, 16u);
}

TEST(Listener, AFloodIsThrottled) {
  PeerLimits limits;
  limits.frames_per_s = 100;
  limits.frame_burst = 200;
  limits.max_strikes = 1'000'000;
  Server server(nullptr, limits);
  zmq::context_t context;
  auto flood = dial(context, server, "flood", nullptr);
  const int64_t begin_ms = steady_now_ms();
  EXPECT_TRUE(server.run_until([&] {
    for (int i = 0; i < 200; ++i) dealer_send(flood, a_frame());
    return server.listener->stats().throttled > 2000;
  }));
  const double seconds = static_cast<double>(steady_now_ms() - begin_ms + 1) / 1000;
  EXPECT_LE(static_cast<double>(server.frames.size()), 200 + 100 * seconds + 1);
}

TEST(Listener, ConnectionsBeyondTheLimitAreClosed) {
  Server server(nullptr, {}, 10);
  std::vector<Descriptor> crowd;
  for (int i = 0; i < 60; ++i) crowd.push_back(connect_loopback(port_of(server.listener->endpoint())));
  EXPECT_TRUE(server.run_until([&] { return server.listener->stats().connections.over_limit >= 50; }));
  EXPECT_TRUE(server.run_until([&] { return server.listener->stats().connections.open <= 10; }));
  crowd.clear();
  zmq::context_t context;
  auto good = dial(context, server, "good", nullptr);
  EXPECT_TRUE(server.run_until([&] {
    dealer_send(good, a_frame());
    return !server.frames.empty();
  }));
}

TEST(Bulk, OnlyRolloutKeysFetchAndOnlyFromALearner) {
  const auto dir = fresh_keys("bulk_keys");
  const auto snapshot = make_snapshot(std::vector<std::byte>(300'000, std::byte{7}));
  const auto serve = [&](Principal self) {
    BulkServerOptions options;
    options.credentials = credentials(dir, self);
    auto server = BulkServer::start(options, [&](PolicyVersion) { return snapshot; });
    EXPECT_TRUE(server) << server.error().message;
    return std::move(*server);
  };
  const auto fetch = [&](const BulkServer& server, const CredentialsPtr& keys, int timeout_ms) {
    BulkClientOptions options;
    options.endpoint = server.endpoint();
    options.chunk_bytes = 65'536;
    options.credentials = keys;
    options.timeout = milliseconds(timeout_ms);
    return (*BulkClient::connect(options))->fetch(PolicyVersion(1), snapshot->digest);
  };
  const auto learner = serve(Principal::kLearner);
  const auto bytes = fetch(*learner, credentials(dir, Principal::kRollout), 20'000);
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(bytes->size(), snapshot->bytes.size());
  EXPECT_FALSE(fetch(*learner, credentials(dir, Principal::kReward), 400));
  EXPECT_FALSE(fetch(*learner, nullptr, 400));
  const auto imposter = serve(Principal::kReward);
  EXPECT_FALSE(fetch(*imposter, credentials(dir, Principal::kRollout), 400));
}

}  // namespace
}  // namespace prosodia::protocol
