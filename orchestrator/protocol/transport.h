// ZeroMQ adapters: every socket of the program is made here, with every option that matters set (and why).
//
// Called by: WorkerClient, BulkServer, BulkClient, the coordinator. Thread rule: a socket belongs to the thread that
// uses it; contexts are shared. Failure rule: zmq exceptions end here; they come back as kUnavailable with the
// endpoint.
//
// ZeroMQ's own heartbeats (HEARTBEAT_IVL) stay off: in libzmq 4.3 they abort the process when a connection ends while
// its input is held back (libzmq issues 4364, 4767), and a peer can bring that about. The control protocol has
// heartbeats of its own, and WorkerClient dials anew when they stop; TCP keep-alive clears away the connections of dead
// hosts.
//
// Encryption: with SocketOptions::credentials a socket speaks CURVE and nothing else. Servers need a Gatekeeper in the
// same context before they bind (Listener does both).
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "data/base/status.h"
#include "orchestrator/protocol/keys.h"

namespace prosodia::protocol {

struct SocketOptions {
  size_t max_message_bytes = size_t{64} << 20;  // MAXMSGSIZE: the default is unlimited, a peer could exhaust memory
  int linger_ms = 0;                            // LINGER: the default -1 hangs exit
  int handshake_ms = 5000;                      // HANDSHAKE_IVL: silent peers do not hold a connection
  int reconnect_ms = 50;                        // RECONNECT_IVL, doubling up to …
  int reconnect_max_ms = 2000;                  // … RECONNECT_IVL_MAX
  int keepalive_idle_s = 10;                    // TCP keep-alive: finds dead hosts behind idle connections
  int high_water_messages = 1000;               // SNDHWM, RCVHWM, per peer: a backstop; credits bound the real traffic
  CredentialsPtr credentials;                   // CURVE; nullptr = plaintext
  std::string server_key;                       // connect_dealer with credentials: the only server key accepted (Z85)
};

// ROUTER with ROUTER_MANDATORY (unroutable messages are errors, not silence). `endpoint` like "tcp://127.0.0.1:*".
Result<zmq::socket_t> bind_router(zmq::context_t& context, const std::string& endpoint, const SocketOptions& options,
                                  bool allow_plaintext_network = false);
// DEALER connected to `endpoint`; `routing_id` must not be empty nor in use at the peer.
Result<zmq::socket_t> connect_dealer(zmq::context_t& context, const std::string& endpoint,
                                     const std::string& routing_id, const SocketOptions& options);

// Fills in credentials and the server's key: the `attempt`-th of those that the allow-list has for `server` now, in
// turn, so that a server whose key is being rotated is found. Nothing to do without credentials.
Status set_server_key(SocketOptions& options, const CredentialsPtr& credentials, Principal server, size_t attempt);

std::string last_endpoint(const zmq::socket_t& socket);  // the port that "*" became

enum class Exposure : uint8_t { kPlaintext, kPlaintextAllowed, kEncrypted };
bool is_loopback(const std::string& endpoint);
// kUsage when `endpoint` would listen outside loopback without encryption and that was not allowed explicitly.
Status check_bind_endpoint(const std::string& endpoint, Exposure exposure);
// What others dial: a wildcard address is replaced by this host's name.
std::string advertised_endpoint(const std::string& endpoint);

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
  // From the connection's handshake, not from the frame. Unset on plaintext sockets and on the client's side.
  std::optional<Principal> principal;
  int descriptor = -1;  // of the connection it came on; see shut_connection (socket_events.h)
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
