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

// Answers each frame with `handler`, on the calling thread, until `done` or 10 s.
class TestCoordinator {
 public:
  explicit TestCoordinator(const std::string& endpoint = "tcp://127.0.0.1:*", uint64_t life = 1) : life_(life) {
    auto socket = bind_router(context_, endpoint, SocketOptions{});
    EXPECT_TRUE(socket) << socket.error().message;
    socket_ = std::move(*socket);
    endpoint_ = last_endpoint(socket_);
    handler = [this](const std::string& peer, const FrameView& frame) {
      if (frame.header.type == MessageType::kHello) send(peer, Welcome{RunId(3), 1, 50, life_, {}});
      if (frame.header.type == MessageType::kHeartbeat) send(peer, Ping{});
    };
  }

  template <class M>
  void send(const std::string& peer, const M& message, uint64_t lease = 0) {
    FrameHeader header;
    header.run_id = RunId(3);
    header.sender_epoch = WorkerEpoch(life_);
    header.lease_id = LeaseId(lease);
    EXPECT_TRUE(router_send(socket_, peer, encode_message(header, message)));
  }

  bool run_until(const std::function<bool()>& done) {
    const int64_t end = steady_now_ms() + 10'000;
    while (steady_now_ms() < end) {
      if (done()) return true;
      zmq::pollitem_t item{socket_.handle(), 0, ZMQ_POLLIN, 0};
      zmq::poll(&item, 1, milliseconds(5));
      while (auto frame = router_receive(socket_)) {
        const auto view = decode_frame(bytes_of(frame->bytes), kMaxPayloadFromWorker);
        EXPECT_TRUE(view.has_value());
        if (!view) return false;
        peer = frame->peer;
        seen.push_back(view->header);
        handler(frame->peer, *view);
      }
    }
    return false;
  }

  const std::string& endpoint() const { return endpoint_; }
  std::function<void(const std::string&, const FrameView&)> handler;
  std::string peer;
  std::vector<FrameHeader> seen;

 private:
  uint64_t life_;
  zmq::context_t context_{1};
  zmq::socket_t socket_;
  std::string endpoint_;
};

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

TEST(Transport, RefusesToListenOnTheNetworkUnlessAllowed) {
  EXPECT_TRUE(check_bind_endpoint("tcp://127.0.0.1:*", false));
  EXPECT_TRUE(check_bind_endpoint("tcp://[::1]:5", false));
  EXPECT_EQ(check_bind_endpoint("tcp://0.0.0.0:5", false).error().code, ErrorCode::kUsage);
  EXPECT_EQ(check_bind_endpoint("tcp://*:5", false).error().code, ErrorCode::kUsage);
  EXPECT_TRUE(check_bind_endpoint("tcp://10.0.0.1:5", true));
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
