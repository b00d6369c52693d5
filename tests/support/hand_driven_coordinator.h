// A coordinator's ROUTER driven by the test, for the worker's side of the protocol: each frame goes to `handler`, which
// by default welcomes and answers heartbeats.
//
// Single thread: the test's. Not for what the real coordinator decides; see fake_cluster.h for that.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "orchestrator/protocol/messages.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::testing_support {

class HandDrivenCoordinator {
 public:
  using Handler = std::function<void(const std::string& peer, const protocol::FrameView& frame)>;

  explicit HandDrivenCoordinator(const std::string& endpoint = "tcp://127.0.0.1:*", uint64_t life = 1,
                                 uint32_t heartbeat_ms = 50)
      : handler([this](const std::string& from, const protocol::FrameView& frame) { greet(from, frame); }),
        life_(life),
        heartbeat_ms_(heartbeat_ms) {
    auto socket = protocol::bind_router(context_, endpoint, protocol::SocketOptions{});
    EXPECT_TRUE(socket) << socket.error().message;
    socket_ = std::move(*socket);
    endpoint_ = protocol::last_endpoint(socket_);
  }

  // Hello -> Welcome, Heartbeat -> Ping; for handlers of the test's own.
  void greet(const std::string& from, const protocol::FrameView& frame) {
    if (frame.header.type == protocol::MessageType::kHello) {
      (void)try_send(from, protocol::Welcome{RunId(3), 1, heartbeat_ms_, life_, {}});
    }
    if (frame.header.type == protocol::MessageType::kHeartbeat) (void)try_send(from, protocol::Ping{});
  }

  // False when the peer has left.
  template <class M>
  bool try_send(const std::string& to, const M& message, uint64_t lease = 0) {
    protocol::FrameHeader header;
    header.run_id = RunId(3);
    header.sender_epoch = WorkerEpoch(life_);
    header.lease_id = LeaseId(lease);
    return protocol::router_send(socket_, to, protocol::encode_message(header, message));
  }
  template <class M>
  void send(const std::string& to, const M& message, uint64_t lease = 0) {
    EXPECT_TRUE(try_send(to, message, lease));
  }

  // Handles frames until `done` or 30 s.
  bool run_until(const std::function<bool()>& done) {
    const int64_t end = protocol::steady_now_ms() + 30'000;
    while (protocol::steady_now_ms() < end) {
      if (done()) return true;
      zmq::pollitem_t item{socket_.handle(), 0, ZMQ_POLLIN, 0};
      protocol::poll_sockets({&item, 1}, std::chrono::milliseconds(5));
      while (auto frame = protocol::router_receive(socket_)) {
        const auto view = protocol::decode_frame(protocol::bytes_of(frame->bytes), protocol::kMaxPayloadFromWorker);
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
  Handler handler;
  std::string peer;  // the last that spoke
  std::vector<protocol::FrameHeader> seen;

 private:
  uint64_t life_;
  uint32_t heartbeat_ms_;
  zmq::context_t context_{1};
  zmq::socket_t socket_;
  std::string endpoint_;
};

}  // namespace prosodia::testing_support
