// Listener: a ROUTER socket for peers that need not be trusted, with everything that protects it: CURVE and the
// Gatekeeper's allow-list when keys are given, a limit on connections, a limit on what each peer may send, and counts
// of all that was refused. The coordinator's control port and the learner's bulk port are Listeners.
//
// Thread rule: single thread, except stats() of a quiescent one. Failure rule: open() says what is wrong with endpoint
// or keys; after that peers' misbehaviour is counted, never an error.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "orchestrator/protocol/gatekeeper.h"
#include "orchestrator/protocol/peer_guard.h"
#include "orchestrator/protocol/socket_events.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::protocol {

struct ListenerOptions {
  std::string endpoint = "tcp://127.0.0.1:*";
  bool allow_plaintext_network = false;  // without keys, beyond loopback
  CredentialsPtr credentials;
  std::vector<Principal> admitted;  // with credentials: whose keys may connect
  SocketOptions socket;             // credentials are filled in
  PeerLimits limits;
  size_t max_connections = 16'384;  // lowered to what the process may open, minus what it needs itself
};

struct ListenerStats {
  ConnectionCounts connections;
  uint64_t refused_keys = 0;  // handshakes
  uint64_t throttled = 0;     // frames dropped unread, over their peer's rate
  uint64_t bad_frames = 0;    // reported by report_bad, or of the wrong number of parts
  uint64_t cut = 0;           // connections closed for it
};

class Listener {
 public:
  static Result<std::unique_ptr<Listener>> open(zmq::context_t& context, const ListenerOptions& options);
  ~Listener();  // closes the socket, with the linger last set

  const std::string& endpoint() const { return endpoint_; }  // the port filled in
  zmq::socket_t& socket() { return socket_; }                // to send and to poll; receive only through receive()
  bool encrypted() const { return gatekeeper_ != nullptr; }

  // The next admitted frame; nullopt when nothing waits or `kFramesPerCall` were dropped (poll again).
  std::optional<RoutedFrame> receive(int64_t now_ms);
  // An admitted frame did not decode, or broke the protocol: too many of them cost its sender the connection.
  void report_bad(const RoutedFrame& frame, int64_t now_ms);
  // Call at least once a second: limits on connections, counts.
  void tend();
  void set_linger(int linger_ms) { socket_.set(zmq::sockopt::linger, linger_ms); }
  ListenerStats stats() const;

 private:
  explicit Listener(const PeerLimits& limits) : guard_(limits) {}
  void apply(PeerGuard::Verdict verdict, const RoutedFrame& frame);

  std::unique_ptr<Gatekeeper> gatekeeper_;
  zmq::socket_t socket_;
  std::unique_ptr<SocketEvents> events_;
  std::string endpoint_;
  uint16_t port_ = 0;
  PeerGuard guard_;
  uint64_t malformed_ = 0;
};

// "3 handshakes with unknown keys, 12 bad frames", of what `now` has and `before` had not; empty when nothing.
std::string describe_since(const ListenerStats& before, const ListenerStats& now);

}  // namespace prosodia::protocol
