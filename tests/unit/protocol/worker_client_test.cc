// WorkerClient over real sockets on loopback, against a hand-driven ROUTER.
#include "orchestrator/protocol/worker_client.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <functional>
#include <thread>

#include "orchestrator/protocol/transport.h"
#include "tests/support/hand_driven_coordinator.h"

namespace prosodia::protocol {
namespace {

using std::chrono::milliseconds;

TEST(PollSockets, SignalEndsTheWaitLikeATimeout) {
  struct sigaction action = {}, before = {};
  action.sa_handler = [](int) {};  // without SA_RESTART
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  Wakeup never;
  std::atomic<bool> over = false;
  const pthread_t waiting = ::pthread_self();
  std::thread sender([&] {
    while (!over) {
      ::pthread_kill(waiting, SIGUSR1);
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  zmq::pollitem_t item{nullptr, never.fd(), ZMQ_POLLIN, 0};
  poll_sockets({&item, 1}, milliseconds(-1));  // only the signal can end it
  over = true;
  sender.join();
  EXPECT_EQ(item.revents, 0);
  ::sigaction(SIGUSR1, &before, nullptr);
}

using TestCoordinator = testing_support::HandDrivenCoordinator;

WorkerClientOptions options_for(const std::string& endpoint) {
  WorkerClientOptions options;
  options.endpoint = endpoint;
  options.name = "rollout-0";
  options.connect_timeout = milliseconds(10'000);
  options.resend_min = milliseconds(100);
  return options;
}

// Connects on another thread while the coordinator answers here.
Result<std::unique_ptr<WorkerClient>> connect(TestCoordinator& coordinator, const WorkerClientOptions& options) {
  std::atomic<bool> done = false;
  Result<std::unique_ptr<WorkerClient>> client = fail(ErrorCode::kInternal, "not run");
  std::thread thread([&] {
    client = WorkerClient::connect(options);
    done = true;
  });
  coordinator.run_until([&] { return done.load(); });
  thread.join();
  return client;
}

TEST(WorkerClient, ConnectsTakesATaskAndKeepsTheResultUntilAcked) {
  TestCoordinator coordinator;
  auto client = connect(coordinator, options_for(coordinator.endpoint()));
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ((*client)->welcome().run_id, RunId(3));
  coordinator.send(coordinator.peer, TaskRollout{GroupId(8)}, 41);
  auto task = (*client)->next_task(milliseconds(5000));
  ASSERT_TRUE(task && *task);
  EXPECT_EQ((*task)->lease, LeaseId(41));
  EXPECT_EQ(std::get<TaskRollout>((*task)->body).group_id, GroupId(8));

  ASSERT_TRUE((*client)->send_result(LeaseId(41), RolloutResult{GroupId(8)}));
  int copies = 0;
  coordinator.handler = [&](const std::string& peer, const FrameView& frame) {
    if (frame.header.type == MessageType::kHeartbeat) coordinator.send(peer, Ping{});
    if (frame.header.type != MessageType::kRolloutResult) return;
    EXPECT_EQ(frame.header.lease_id, LeaseId(41));
    if (++copies == 2) coordinator.send(peer, ResultAck{frame.header.seq});  // the first copy goes unanswered
  };
  EXPECT_TRUE(coordinator.run_until([&] { return copies >= 2; }));
  EXPECT_TRUE((*client)->flush(milliseconds(5000)));
  EXPECT_EQ((*client)->stats().acked, 1u);
}

TEST(WorkerClient, CancelledLeasesAreToldOrNeverHandedOut) {
  TestCoordinator coordinator;
  auto client = connect(coordinator, options_for(coordinator.endpoint()));
  ASSERT_TRUE(client) << client.error().message;
  for (uint64_t lease : {41, 42, 43}) coordinator.send(coordinator.peer, TaskRollout{GroupId(lease)}, lease);
  auto taken = (*client)->next_task(milliseconds(5000));
  ASSERT_TRUE(taken && *taken);
  ASSERT_EQ((*taken)->lease, LeaseId(41));
  coordinator.send(coordinator.peer, CancelLease{}, 41);
  coordinator.send(coordinator.peer, CancelLease{}, 42);  // not taken yet
  ASSERT_TRUE(coordinator.run_until([&] { return (*client)->stats().cancelled == 2; }));
  EXPECT_EQ((*client)->take_cancelled(), std::vector<LeaseId>{LeaseId(41)});
  EXPECT_TRUE((*client)->take_cancelled().empty());
  taken = (*client)->next_task(milliseconds(5000));
  ASSERT_TRUE(taken && *taken);
  EXPECT_EQ((*taken)->lease, LeaseId(43));
  // A result on its way is settled by its own answer, not by the cancellation.
  ASSERT_TRUE((*client)->send_result(LeaseId(43), RolloutResult{GroupId(43)}));
  coordinator.send(coordinator.peer, CancelLease{}, 43);
  coordinator.handler = [&](const std::string& peer, const FrameView& frame) {
    if (frame.header.type == MessageType::kRolloutResult) coordinator.send(peer, ResultAck{frame.header.seq});
  };
  EXPECT_TRUE(coordinator.run_until([&] { return (*client)->stats().acked == 1; }));
  EXPECT_EQ((*client)->stats().cancelled, 2u);
}

TEST(WorkerClient, RejectionCarriesTheReason) {
  TestCoordinator coordinator;
  coordinator.handler = [&](const std::string& peer, const FrameView& frame) {
    if (frame.header.type == MessageType::kHello) {
      coordinator.send(peer, Reject{RejectCode::kConfigDigest, "config digest abc, expected def"});
    }
  };
  auto client = connect(coordinator, options_for(coordinator.endpoint()));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::kUsage);
  EXPECT_NE(client.error().message.find("expected def"), std::string::npos);
}

TEST(WorkerClient, NobodyThereIsUnavailable) {
  auto options = options_for("tcp://127.0.0.1:1");
  options.connect_timeout = milliseconds(200);
  auto client = WorkerClient::connect(options);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(client.error().message.find("tcp://127.0.0.1:1"), std::string::npos);
}

TEST(WorkerClient, MalformedEndpointIsAnErrorNotACrash) {
  auto client = WorkerClient::connect(options_for("nonsense"));
  ASSERT_FALSE(client);
  EXPECT_NE(client.error().message.find("nonsense"), std::string::npos);
}

TEST(WorkerClient, SurvivesACoordinatorRestartAndResends) {
  auto coordinator = std::make_unique<TestCoordinator>();
  const std::string endpoint = coordinator->endpoint();
  auto client = connect(*coordinator, options_for(endpoint));
  ASSERT_TRUE(client);
  coordinator.reset();  // dies with the result unseen
  ASSERT_TRUE((*client)->send_result(LeaseId(41), RolloutResult{GroupId(8)}));

  TestCoordinator second(endpoint, 2);
  bool acked = false;
  bool welcomed = false;
  second.handler = [&](const std::string& peer, const FrameView& frame) {
    if (frame.header.type == MessageType::kHello) {
      welcomed = true;
      second.send(peer, Welcome{RunId(3), 1, 50, 2, {}});
    } else if (!welcomed) {
      second.send(peer, HelloRequest{});
    } else if (frame.header.type == MessageType::kRolloutResult) {
      second.send(peer, ResultAck{frame.header.seq});
      acked = true;
    }
  };
  EXPECT_TRUE(second.run_until([&] { return acked; }));
  EXPECT_TRUE((*client)->flush(milliseconds(5000)));
  EXPECT_EQ((*client)->welcome().life, 2u);
  EXPECT_EQ((*client)->stats().reconnects, 1u);
}

TEST(WorkerClient, FollowsTheEndpointFileWhenTheCoordinatorMoved) {
  const std::string file = ::testing::TempDir() + "moved.endpoint";
  auto coordinator = std::make_unique<TestCoordinator>();
  auto options = options_for(coordinator->endpoint());
  options.endpoint_file = file;
  auto client = connect(*coordinator, options);
  ASSERT_TRUE(client);
  TestCoordinator second("tcp://127.0.0.1:*", 2);
  coordinator.reset();
  std::ofstream(file) << second.endpoint() << "\n";
  second.handler = [&](const std::string& peer, const FrameView& frame) {
    if (frame.header.type == MessageType::kHello) {
      second.send(peer, Welcome{RunId(3), 1, 50, 2, {}});
    } else {
      second.send(peer, HelloRequest{});
    }
  };
  EXPECT_TRUE(second.run_until([&] { return (*client)->welcome().life == 2; }));
}

TEST(WorkerClient, DeadCoordinatorSurfacesAsUnavailable) {
  auto coordinator = std::make_unique<TestCoordinator>();
  auto options = options_for(coordinator->endpoint());
  options.coordinator_timeout = milliseconds(300);
  auto client = connect(*coordinator, options);
  ASSERT_TRUE(client);
  coordinator.reset();
  const int64_t end = steady_now_ms() + 5000;
  while (steady_now_ms() < end) {
    auto task = (*client)->next_task(milliseconds(50));
    if (task) continue;
    EXPECT_EQ(task.error().code, ErrorCode::kUnavailable);
    return;
  }
  FAIL() << "no error within 5 s";
}

TEST(WorkerClient, SaysGoodbye) {
  TestCoordinator coordinator;
  auto client = connect(coordinator, options_for(coordinator.endpoint()));
  ASSERT_TRUE(client);
  client->reset();
  EXPECT_TRUE(coordinator.run_until(
      [&] { return !coordinator.seen.empty() && coordinator.seen.back().type == MessageType::kGoodbye; }));
}

TEST(Transport, RefusesToListenOnTheNetworkUnlessEncryptedOrAllowed) {
  EXPECT_TRUE(check_bind_endpoint("tcp://127.0.0.1:*", Exposure::kPlaintext));
  EXPECT_TRUE(check_bind_endpoint("tcp://[::1]:5", Exposure::kPlaintext));
  for (const char* open : {"tcp://0.0.0.0:5", "tcp://*:5", "tcp://10.0.0.1:5"}) {
    const Status refused = check_bind_endpoint(open, Exposure::kPlaintext);
    ASSERT_FALSE(refused) << open;
    EXPECT_EQ(refused.error().code, ErrorCode::kUsage);
    EXPECT_NE(refused.error().message.find("prosodia keygen"), std::string::npos) << refused.error().message;
    EXPECT_TRUE(check_bind_endpoint(open, Exposure::kPlaintextAllowed));
    EXPECT_TRUE(check_bind_endpoint(open, Exposure::kEncrypted));
  }
}

TEST(Transport, AdvertisesAHostNameInPlaceOfAWildcard) {
  EXPECT_EQ(advertised_endpoint("tcp://10.0.0.1:5"), "tcp://10.0.0.1:5");
  const std::string advertised = advertised_endpoint("tcp://0.0.0.0:4711");
  EXPECT_EQ(advertised.find("0.0.0.0"), std::string::npos);
  EXPECT_TRUE(advertised.ends_with(":4711"));
}

TEST(Transport, OversizedMessageDropsThePeerNotTheServer) {
  zmq::context_t context;
  SocketOptions small;
  small.max_message_bytes = 1000;
  auto router = bind_router(context, "tcp://127.0.0.1:*", small);
  ASSERT_TRUE(router);
  auto bad = connect_dealer(context, last_endpoint(*router), "bad", SocketOptions{});
  auto good = connect_dealer(context, last_endpoint(*router), "good", SocketOptions{});
  ASSERT_TRUE(bad && good);
  const std::vector<std::byte> big(5000), tiny(10);
  const int64_t end = steady_now_ms() + 5000;
  bool big_sent = false, tiny_seen = false;
  while (steady_now_ms() < end && !tiny_seen) {
    if (!big_sent) big_sent = dealer_send(*bad, big);
    if (big_sent) dealer_send(*good, tiny);
    zmq::pollitem_t item{router->handle(), 0, ZMQ_POLLIN, 0};
    zmq::poll(&item, 1, milliseconds(10));
    while (auto frame = router_receive(*router)) {
      EXPECT_EQ(frame->peer, "good");
      tiny_seen = true;
    }
  }
  EXPECT_TRUE(tiny_seen);
}

}  // namespace
}  // namespace prosodia::protocol
