// ZeroMQ adapters: every socket of the program is made here, with every option that matters set (and why).
//
// Called by: WorkerClient, BulkServer, BulkClient, the coordinator. Thread rule: a socket belongs to the thread that
// uses it; contexts are shared. Failure rule: zmq exceptions end here; they come back as kUnavailable with the
// endpoint.
//
// Encryption: CURVE keys and the ZAP allow-list belong into apply_options() (transport.cc), the only place that
// configures sockets; SocketOptions will carry the keys. Until then an endpoint outside loopback needs allow_plaintext.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "data/base/status.h"

namespace prosodia::protocol {

struct SocketOptions {
  size_t max_message_bytes = size_t{64} << 20;  // MAXMSGSIZE: the default is unlimited, a peer could exhaust memory
  int linger_ms = 0;                            // LINGER: the default -1 hangs exit
  int handshake_ms = 5000;                      // HANDSHAKE_IVL: silent peers do not hold a connection
  int reconnect_ms = 50;                        // RECONNECT_IVL, doubling up to …
  int reconnect_max_ms = 2000;                  // … RECONNECT_IVL_MAX
  int heartbeat_ms = 2000;                      // HEARTBEAT_IVL: finds half-open TCP connections
  int heartbeat_timeout_ms = 10000;             // HEARTBEAT_TIMEOUT and _TTL
  int high_water_messages = 10000;              // SNDHWM, RCVHWM: a backstop; credits bound the real traffic
};

// ROUTER with ROUTER_MANDATORY (unroutable messages are errors, not silence). `endpoint` like "tcp://127.0.0.1:*".
Result<zmq::socket_t> bind_router(zmq::context_t& context, const std::string& endpoint, const SocketOptions& options,
                                  bool allow_plaintext_network = false);
// DEALER connected to `endpoint`; `routing_id` must not be empty nor in use at the peer.
Result<zmq::socket_t> connect_dealer(zmq::context_t& context, const std::string& endpoint,
                                     const std::string& routing_id, const SocketOptions& options);

std::string last_endpoint(const zmq::socket_t& socket);  // the port that "*" became

// kUsage when `endpoint` would listen outside loopback and that was not allowed.
Status check_bind_endpoint(const std::string& endpoint, bool allow_plaintext_network);

// A routing id that no other process ever has: name, '#', the epoch in hex.
std::string make_routing_id(const std::string& name, uint64_t epoch);

// 64 random bits from the operating system; never 0. For process epochs and run ids, not for anything reproducible.
uint64_t random_u64();

// Milliseconds of the steady clock.
int64_t steady_now_ms();

// True when sent. False when the peer is gone or its queue is full (EHOSTUNREACH, EAGAIN): the caller resends later.
bool router_send(zmq::socket_t& socket, const std::string& peer, std::span<const std::byte> frame);
bool dealer_send(zmq::socket_t& socket, std::span<const std::byte> frame);

struct RoutedFrame {
  std::string peer;
  zmq::message_t bytes;
  zmq::message_t extra;  // second part of a bulk message; empty otherwise
};
// Non-blocking; nullopt when nothing waits. Messages with an unexpected number of parts are dropped and counted.
std::optional<RoutedFrame> router_receive(zmq::socket_t& socket, uint64_t* malformed = nullptr);
std::optional<RoutedFrame> dealer_receive(zmq::socket_t& socket, uint64_t* malformed = nullptr);

inline std::span<const std::byte> bytes_of(const zmq::message_t& message) {
  return {static_cast<const std::byte*>(message.data()), message.size()};
}

// Waits until one of `items` is ready (see their revents) or `timeout` has passed; -1 ms waits without end. A signal
// ends the wait early, as a timeout would: the caller looks at its flags and waits again. Every poll of the program is
// this one; zmq::poll throws on a signal.
void poll_sockets(std::span<zmq::pollitem_t> items, std::chrono::milliseconds timeout);

// An eventfd that other threads use to interrupt poll_sockets().
class Wakeup {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  void signal();  // any thread
  void drain();   // the polling thread
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace prosodia::protocol
