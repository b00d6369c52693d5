// What happens to a socket's connections, as libzmq's monitor tells it: how many are open, which handshakes failed and
// why. Closes connections beyond a limit.
//
// Called by: Listener, WorkerClient, BulkClient. Thread rule: the socket's thread, which calls drain() often (libzmq's
// I/O thread waits when thousands of events pile up). Failure rule: without a monitor the counts stay 0.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <zmq.hpp>

namespace prosodia::protocol {

struct ConnectionCounts {
  size_t open = 0;                 // accepted and not yet closed
  uint64_t over_limit = 0;         // closed because too many were open
  uint64_t handshakes_failed = 0;  // a key refused; or one side speaks CURVE and the other does not; or noise
  uint64_t keys_refused = 0;       // client: the server's allow-list does not have our key for this endpoint
};

class SocketEvents {
 public:
  // `max_connections` 0 = no limit. Call before bind or connect.
  SocketEvents(zmq::context_t& context, zmq::socket_t& socket, size_t max_connections);
  SocketEvents(const SocketEvents&) = delete;
  SocketEvents& operator=(const SocketEvents&) = delete;

  // The port that the socket listens on, known after bind: connections beyond the limit are only closed on it.
  void set_listening_port(uint16_t port) { port_ = port; }
  void drain();
  const ConnectionCounts& counts() const { return counts_; }

 private:
  void on_event(uint16_t event, int32_t value);

  zmq::socket_t events_;
  const size_t max_connections_;
  uint16_t port_ = 0;
  std::unordered_set<int> open_;  // descriptors of accepted connections
  ConnectionCounts counts_;
};

// Shuts a TCP connection down; libzmq then closes it as if the peer had gone. Any thread. libzmq offers no call for
// this. Descriptors are reused once closed, so a connection is only touched when its local port is `port`: the worst
// that a race can do is to close another connection of the same listener, whose peer dials again.
bool shut_connection(int descriptor, uint16_t port);
// Of "tcp://HOST:PORT"; 0 for anything else.
uint16_t port_of(const std::string& endpoint);

}  // namespace prosodia::protocol
