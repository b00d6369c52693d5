#include "orchestrator/protocol/listener.h"

#include <sys/resource.h>

#include <algorithm>

namespace prosodia::protocol {
namespace {

constexpr int kFramesPerCall = 256;      // dropped in a row before the caller gets its turn
constexpr size_t kOwnDescriptors = 256;  // journal, archive, other sockets, libraries

// A connection needs a descriptor: takes what the system grants, and keeps some back, so that a crowd of peers cannot
// stop the journal from being opened.
size_t connection_limit(size_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const rlim_t enough = std::min<rlim_t>(limit.rlim_max, wanted + kOwnDescriptors);
  if (limit.rlim_cur < enough) {
    limit.rlim_cur = enough;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
    (void)::getrlimit(RLIMIT_NOFILE, &limit);
  }
  const auto available = static_cast<size_t>(limit.rlim_cur);
  return std::min(wanted, available > 2 * kOwnDescriptors ? available - kOwnDescriptors : available / 2);
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(zmq::context_t& context, const ListenerOptions& options) {
  std::unique_ptr<Listener> listener(new Listener(options.limits));
  SocketOptions socket_options = options.socket;
  socket_options.credentials = options.credentials;
  if (options.credentials) {
    PROSODIA_ASSIGN(listener->gatekeeper_, Gatekeeper::start(context, options.credentials, options.admitted));
  }
  PROSODIA_ASSIGN(listener->socket_,
                  bind_router(context, options.endpoint, socket_options, options.allow_plaintext_network));
  listener->endpoint_ = last_endpoint(listener->socket_);
  listener->port_ = port_of(listener->endpoint_);
  listener->events_ =
      std::make_unique<SocketEvents>(context, listener->socket_, connection_limit(options.max_connections));
  listener->events_->set_listening_port(listener->port_);
  return listener;
}

Listener::~Listener() {
  events_.reset();
  socket_.close();
}

void Listener::apply(PeerGuard::Verdict verdict, const RoutedFrame& frame) {
  if (verdict == PeerGuard::Verdict::kCut) shut_connection(frame.descriptor, port_);
}

std::optional<RoutedFrame> Listener::receive(int64_t now_ms) {
  for (int dropped = 0; dropped < kFramesPerCall; ++dropped) {
    auto frame = router_receive(socket_, &malformed_);
    if (!frame) return std::nullopt;
    const auto verdict = guard_.on_frame(frame->peer, frame->bytes.size() + frame->extra.size(), now_ms);
    if (verdict == PeerGuard::Verdict::kAdmit) return frame;
    apply(verdict, *frame);
  }
  return std::nullopt;
}

void Listener::report_bad(const RoutedFrame& frame, int64_t now_ms) {
  apply(guard_.on_bad_frame(frame.peer, now_ms), frame);
}

void Listener::tend() { events_->drain(); }

ListenerStats Listener::stats() const {
  ListenerStats stats;
  stats.connections = events_->counts();
  stats.refused_keys = gatekeeper_ ? gatekeeper_->refused() : 0;
  stats.throttled = guard_.throttled();
  stats.bad_frames = guard_.bad() + malformed_;
  stats.cut = guard_.cut();
  return stats;
}

std::string describe_since(const ListenerStats& before, const ListenerStats& now) {
  std::string text;
  const auto add = [&text](uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  };
  add(now.refused_keys - before.refused_keys, "connections refused: key not in the allow-list for this port");
  add(now.connections.handshakes_failed - before.connections.handshakes_failed, "handshakes failed");
  add(now.connections.over_limit - before.connections.over_limit, "connections closed: too many");
  add(now.bad_frames - before.bad_frames, "bad frames dropped");
  add(now.throttled - before.throttled, "frames dropped: over their peer's rate");
  add(now.cut - before.cut, "connections closed for it");
  return text;
}

}  // namespace prosodia::protocol
