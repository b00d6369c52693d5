#include "orchestrator/protocol/socket_events.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <charconv>
#include <cstring>
#include <string>

namespace prosodia::protocol {
namespace {

std::string next_monitor_endpoint() {
  static std::atomic<uint64_t> counter = 0;
  return fmt::format("inproc://prosodia-events-{}", ++counter);
}

uint16_t local_port(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  return 0;
}

}  // namespace

bool shut_connection(int descriptor, uint16_t port) {
  if (descriptor < 0 || port == 0 || local_port(descriptor) != port) return false;
  return ::shutdown(descriptor, SHUT_RDWR) == 0;
}

uint16_t port_of(const std::string& endpoint) {
  const size_t colon = endpoint.rfind(':');
  if (!endpoint.starts_with("tcp://") || colon == std::string::npos) return 0;
  uint16_t port = 0;
  std::from_chars(endpoint.data() + colon + 1, endpoint.data() + endpoint.size(), port);
  return port;
}

SocketEvents::SocketEvents(zmq::context_t& context, zmq::socket_t& socket, size_t max_connections)
    : max_connections_(max_connections) {
  const std::string endpoint = next_monitor_endpoint();
  constexpr int kEvents = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
  if (zmq_socket_monitor(socket.handle(), endpoint.c_str(), kEvents) != 0) return;
  events_ = zmq::socket_t(context, zmq::socket_type::pair);
  events_.set(zmq::sockopt::linger, 0);
  events_.connect(endpoint);
}

// Two parts: event and value; the endpoint.
void SocketEvents::drain() {
  zmq::message_t head, endpoint;
  while (events_ && events_.recv(head, zmq::recv_flags::dontwait)) {
    if (head.more()) (void)events_.recv(endpoint, zmq::recv_flags::none);
    if (head.size() < 6) continue;
    uint16_t event = 0;
    int32_t value = 0;
    std::memcpy(&event, head.data(), sizeof(event));
    std::memcpy(&value, head.data<char>() + sizeof(event), sizeof(value));
    on_event(event, value);
  }
  counts_.open = open_.size();
}

void SocketEvents::on_event(uint16_t event, int32_t value) {
  switch (event) {
    case ZMQ_EVENT_ACCEPTED:
      open_.insert(value);
      if (max_connections_ > 0 && open_.size() > max_connections_ && shut_connection(value, port_))
        ++counts_.over_limit;
      break;
    case ZMQ_EVENT_DISCONNECTED:
      open_.erase(value);
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      ++counts_.handshakes_failed;
      ++counts_.keys_refused;
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      ++counts_.handshakes_failed;
      break;
    default:
      break;
  }
}

}  // namespace prosodia::protocol
