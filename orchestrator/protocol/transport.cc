#include "orchestrator/protocol/transport.h"

#include <fmt/format.h>
#include <sodium.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "data/base/check.h"
#include "data/base/loopback.h"

namespace prosodia::protocol {
namespace {

void apply_options(zmq::socket_t& socket, const SocketOptions& options) {
  socket.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(options.max_message_bytes));
  socket.set(zmq::sockopt::linger, options.linger_ms);
  socket.set(zmq::sockopt::handshake_ivl, options.handshake_ms);
  socket.set(zmq::sockopt::reconnect_ivl, options.reconnect_ms);
  socket.set(zmq::sockopt::reconnect_ivl_max, options.reconnect_max_ms);
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, options.keepalive_idle_s);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, 5);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, 3);
  socket.set(zmq::sockopt::sndhwm, options.high_water_messages);
  socket.set(zmq::sockopt::rcvhwm, options.high_water_messages);
}

void secure_server(zmq::socket_t& socket, const SocketOptions& options) {
  if (!options.credentials) return;
  socket.set(zmq::sockopt::curve_server, true);
  socket.set(zmq::sockopt::curve_secretkey, options.credentials->secret_key.z85());
  socket.set(zmq::sockopt::zap_domain, "prosodia");
}

void secure_client(zmq::socket_t& socket, const SocketOptions& options) {
  if (!options.credentials) return;
  socket.set(zmq::sockopt::curve_publickey, options.credentials->public_key);
  socket.set(zmq::sockopt::curve_secretkey, options.credentials->secret_key.z85());
  socket.set(zmq::sockopt::curve_serverkey, options.server_key);
}

// What the Gatekeeper found out about the connection that `part` came on.
std::optional<Principal> principal_of(const zmq::message_t& part) {
  const char* user = zmq_msg_gets(part.handle(), "User-Id");
  return user == nullptr ? std::nullopt : principal_named(user);
}

std::optional<RoutedFrame> receive_parts(zmq::socket_t& socket, bool routed, uint64_t* malformed) {
  while (true) {
    zmq::message_t part;
    if (!socket.recv(part, zmq::recv_flags::dontwait)) return std::nullopt;
    RoutedFrame frame;
    bool valid = true;
    if (routed) {
      frame.peer = part.to_string();
      valid = part.more();
      if (valid) (void)socket.recv(part, zmq::recv_flags::none);
    }
    bool more = valid && part.more();
    if (routed) {
      frame.principal = principal_of(part);
      frame.descriptor = zmq_msg_get(part.handle(), ZMQ_SRCFD);
    }
    frame.bytes = std::move(part);
    if (more) {
      (void)socket.recv(frame.extra, zmq::recv_flags::none);
      more = frame.extra.more();
    }
    while (more) {  // parts we do not know: take the whole message off the socket, then drop it
      valid = false;
      zmq::message_t rest;
      (void)socket.recv(rest, zmq::recv_flags::none);
      more = rest.more();
    }
    if (valid) return frame;
    if (malformed != nullptr) ++*malformed;
  }
}

}  // namespace

bool is_loopback(const std::string& endpoint) {
  constexpr std::string_view kTcp = "tcp://";
  if (endpoint.starts_with(kTcp)) return is_loopback_host(host_of(std::string_view(endpoint).substr(kTcp.size())));
  return endpoint.starts_with("ipc://") || endpoint.starts_with("inproc://");
}

Status check_bind_endpoint(const std::string& endpoint, Exposure exposure) {
  if (is_loopback(endpoint) || exposure != Exposure::kPlaintext) return {};
  return fail(ErrorCode::kUsage,
              "{} listens outside this machine without encryption. Next: prosodia keygen --output_dir KEYS, and --keys "
              "KEYS for every role; or bind 127.0.0.1; or --allow_plaintext_network on a network where you trust "
              "everybody",
              endpoint);
}

std::string advertised_endpoint(const std::string& endpoint) {
  for (const std::string_view wildcard : {"tcp://0.0.0.0:", "tcp://*:", "tcp://[::]:"}) {
    if (!endpoint.starts_with(wildcard)) continue;
    char host[HOST_NAME_MAX + 1] = {};
    if (::gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0') return endpoint;
    return fmt::format("tcp://{}:{}", host, endpoint.substr(wildcard.size()));
  }
  return endpoint;
}

Result<zmq::socket_t> bind_router(zmq::context_t& context, const std::string& endpoint, const SocketOptions& options,
                                  bool allow_plaintext_network) {
  const auto plain = allow_plaintext_network ? Exposure::kPlaintextAllowed : Exposure::kPlaintext;
  PROSODIA_TRY(check_bind_endpoint(endpoint, options.credentials ? Exposure::kEncrypted : plain));
  try {
    zmq::socket_t socket(context, zmq::socket_type::router);
    apply_options(socket, options);
    secure_server(socket, options);
    socket.set(zmq::sockopt::router_mandatory, 1);
    // A worker that dials anew must not be kept out by its own half-open connection. Nobody else knows its routing id,
    // which ends in 64 random bits.
    socket.set(zmq::sockopt::router_handover, 1);
    socket.bind(endpoint);
    return socket;
  } catch (const zmq::error_t& error) {
    return fail(ErrorCode::kUnavailable, "cannot listen on {}: {} (is the port taken?)", endpoint, error.what());
  }
}

Result<zmq::socket_t> connect_dealer(zmq::context_t& context, const std::string& endpoint,
                                     const std::string& routing_id, const SocketOptions& options) {
  try {
    zmq::socket_t socket(context, zmq::socket_type::dealer);
    apply_options(socket, options);
    secure_client(socket, options);
    socket.set(zmq::sockopt::routing_id, routing_id);
    // Queue nothing while disconnected: a restarted coordinator must not be met by a backlog of old heartbeats.
    socket.set(zmq::sockopt::immediate, 1);
    socket.connect(endpoint);
    return socket;
  } catch (const zmq::error_t& error) {
    return fail(ErrorCode::kUnavailable, "cannot connect to {}: {} (expected tcp://HOST:PORT)", endpoint, error.what());
  }
}

Status set_server_key(SocketOptions& options, const CredentialsPtr& credentials, Principal server, size_t attempt) {
  if (!credentials) return {};
  PROSODIA_ASSIGN(const AllowList list, AllowList::load(credentials->allow_list));
  const auto keys = list.keys_of(server);
  if (keys.empty()) {
    return fail(ErrorCode::kInvalidInput, "{}: no public key of the {}: whom to trust is unknown",
                credentials->allow_list.string(), name(server));
  }
  options.credentials = credentials;
  options.server_key = keys[attempt % keys.size()];
  return {};
}

std::string last_endpoint(const zmq::socket_t& socket) { return socket.get(zmq::sockopt::last_endpoint); }

std::string make_routing_id(const std::string& name, uint64_t epoch) {
  // ZeroMQ allows 255 bytes and reserves a leading zero byte.
  return fmt::format("{}#{:016x}", name.substr(0, 200), epoch);
}

uint64_t random_u64() {
  PROSODIA_CHECK(sodium_init() >= 0, "libsodium found no source of randomness");
  uint64_t value = 0;
  while (value == 0) randombytes_buf(&value, sizeof(value));
  return value;
}

int64_t steady_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

bool router_send(zmq::socket_t& socket, const std::string& peer, std::span<const std::byte> frame) {
  try {
    if (!socket.send(zmq::buffer(peer), zmq::send_flags::sndmore | zmq::send_flags::dontwait)) return false;
    return socket.send(zmq::buffer(frame.data(), frame.size()), zmq::send_flags::dontwait).has_value();
  } catch (const zmq::error_t&) {
    return false;  // EHOSTUNREACH: ROUTER_MANDATORY tells that the peer is gone
  }
}

bool dealer_send(zmq::socket_t& socket, std::span<const std::byte> frame) {
  try {
    return socket.send(zmq::buffer(frame.data(), frame.size()), zmq::send_flags::dontwait).has_value();
  } catch (const zmq::error_t&) {
    return false;
  }
}

std::optional<RoutedFrame> router_receive(zmq::socket_t& socket, uint64_t* malformed) {
  return receive_parts(socket, true, malformed);
}

std::optional<RoutedFrame> dealer_receive(zmq::socket_t& socket, uint64_t* malformed) {
  return receive_parts(socket, false, malformed);
}

void poll_sockets(std::span<zmq::pollitem_t> items, std::chrono::milliseconds timeout) {
  const int ready = zmq_poll(items.data(), static_cast<int>(items.size()), static_cast<long>(timeout.count()));
  if (ready >= 0) return;
  PROSODIA_CHECK(errno == EINTR, "zmq_poll failed: {}", zmq_strerror(errno));  // else: not a socket, or a closed one
  for (zmq::pollitem_t& item : items) item.revents = 0;
}

Wakeup::Wakeup() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  PROSODIA_CHECK(fd_ >= 0, "eventfd failed, errno {}", errno);
}
Wakeup::~Wakeup() { ::close(fd_); }

void Wakeup::signal() {
  const uint64_t one = 1;
  (void)!::write(fd_, &one, sizeof(one));  // fails only when already signalled 2^64 times
}

void Wakeup::drain() {
  uint64_t count = 0;
  (void)!::read(fd_, &count, sizeof(count));
}

}  // namespace prosodia::protocol
