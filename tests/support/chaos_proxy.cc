#include "tests/support/chaos_proxy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "data/base/check.h"
#include "orchestrator/protocol/socket_events.h"
#include "tests/support/loopback.h"

namespace prosodia::testing_support {
namespace {

constexpr int kTickMs = 2;

void make_quick(int fd) {
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

std::string ChaosProxy::start(const std::string& target, uint16_t listen_port) {
  target_port_ = protocol::port_of(target);
  listener_ = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = loopback_address(listen_port);
  socklen_t size = sizeof(address);
  PROSODIA_CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::listen(listener_.get(), 128) == 0 &&
                     ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0,
                 "the proxy cannot listen: errno {}", errno);
  thread_ = std::thread([this] { loop(); });
  return fmt::format("tcp://127.0.0.1:{}", ntohs(address.sin_port));
}

ChaosProxy::~ChaosProxy() {
  stopping_ = true;
  wakeup_.signal();
  if (thread_.joinable()) thread_.join();
}

void ChaosProxy::retarget(const std::string& target) {
  const std::lock_guard lock(mutex_);
  target_port_ = protocol::port_of(target);
}

void ChaosProxy::set(const NetworkFaults& faults) {
  const std::lock_guard lock(mutex_);
  faults_ = faults;
  wakeup_.signal();
}

void ChaosProxy::cut_all() {
  const std::lock_guard lock(mutex_);
  cut_all_ = true;
  wakeup_.signal();
}

void ChaosProxy::loop() {
  while (!stopping_) {
    NetworkFaults faults;
    bool cut = false;
    {
      const std::lock_guard lock(mutex_);
      faults = faults_;
      cut = std::exchange(cut_all_, false);
    }
    const int64_t now = protocol::steady_now_ms();
    std::vector<pollfd> polled = {{listener_.get(), POLLIN, 0}, {wakeup_.fd(), POLLIN, 0}};
    bool waiting = false;
    for (Connection& connection : connections_) {
      connection.dead = connection.dead || cut;
      for (Direction* direction : {&connection.up, &connection.down}) {
        const bool blocked = direction == &connection.up ? faults.partition_up : faults.partition_down;
        if (!blocked && !connection.dead) write_some(connection, *direction, now);
        waiting = waiting || (!direction->queue.empty() && !blocked);
        const bool full = direction->queued >= kMaxQueuedBytes;
        polled.push_back({full || direction->ended ? -1 : direction->from, POLLIN, 0});
      }
    }
    std::erase_if(connections_, [](const Connection& connection) { return connection.dead; });
    if (polled.size() != 2 + 2 * connections_.size()) continue;  // some went: poll the others
    ::poll(polled.data(), polled.size(), waiting ? kTickMs : 50);
    wakeup_.drain();
    size_t at = 2;
    for (Connection& connection : connections_) {
      if (polled[at++].revents != 0) read_some(connection, connection.up, 0, faults, protocol::steady_now_ms());
      if (polled[at++].revents != 0) read_some(connection, connection.down, 1, faults, protocol::steady_now_ms());
    }
    if (polled[0].revents & POLLIN) accept_one(faults);
  }
}

void ChaosProxy::accept_one(const NetworkFaults& faults) {
  Connection connection;
  connection.client = Descriptor(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection.client.valid()) return;
  connection.number = next_number_++;
  connection.swallow = faults.half_open;
  connection.up.from = connection.down.to = connection.client.get();
  make_quick(connection.client.get());
  if (!connection.swallow) {
    uint16_t port = 0;
    {
      const std::lock_guard lock(mutex_);
      port = target_port_;
    }
    connection.server = connect_loopback(port);
    if (!connection.server.valid()) return;
    make_quick(connection.server.get());
    connection.up.to = connection.down.from = connection.server.get();
  }
  ++stats_.connections;
  connections_.push_back(std::move(connection));
}

void ChaosProxy::read_some(Connection& connection, Direction& direction, uint64_t which, const NetworkFaults& faults,
                           int64_t now) {
  char buffer[16 << 10];
  const ssize_t got = ::recv(direction.from, buffer, sizeof(buffer), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) connection.dead = true;
  if (got == 0) {
    direction.ended = true;
    if (direction.queue.empty() || connection.swallow) connection.dead = true;
  }
  if (got <= 0 || connection.swallow) return;
  const char* at = buffer;
  for (auto left = static_cast<size_t>(got); left > 0 && !connection.dead;) {
    const size_t size = std::min(left, segment_bytes_ - direction.in_segment);
    if (!take(connection, direction, which, faults, now, at, size)) break;
    at += size;
    left -= size;
  }
}

// Part of one segment. The fate is drawn at the segment's first byte; false: the connection was cut there.
bool ChaosProxy::take(Connection& connection, Direction& direction, uint64_t which, const NetworkFaults& faults,
                      int64_t now, const char* bytes, size_t size) {
  Piece piece{0, {bytes, bytes + size}};
  if (direction.in_segment == 0) {
    ++stats_.segments;
    PhiloxStream fate(mix_seed(mix_seed(seed_, connection.number * 2 + which), direction.segment));
    const double lost = fate.next_unit(), corrupted = fate.next_unit(), cut = fate.next_unit();
    if (lost < faults.loss) {
      ++stats_.stalled;
      const double span = static_cast<double>(faults.stall_max_ms - faults.stall_min_ms);
      const auto stall = faults.stall_min_ms + static_cast<int64_t>(span * fate.next_unit());
      direction.not_before_ms = std::max(direction.not_before_ms, now + faults.delay_ms + stall);
    }
    if (corrupted < faults.corrupt) {
      ++stats_.corrupted;
      const uint32_t bit = fate.next_below(static_cast<uint32_t>(size * 8));
      piece.bytes[bit / 8] = static_cast<char>(piece.bytes[bit / 8] ^ (1 << (bit % 8)));
    }
    if (cut < faults.cut) {
      ++stats_.cut;
      connection.dead = true;
      return false;
    }
  }
  direction.in_segment += size;
  if (direction.in_segment == segment_bytes_) {
    direction.in_segment = 0;
    ++direction.segment;
  }
  if (faults.bytes_per_s > 0) {
    direction.bandwidth_ms = std::max(direction.bandwidth_ms, static_cast<double>(now)) +
                             1000 * static_cast<double>(size) / faults.bytes_per_s;
    direction.not_before_ms = std::max(direction.not_before_ms, static_cast<int64_t>(direction.bandwidth_ms));
  }
  piece.due_ms = std::max(now + faults.delay_ms, direction.not_before_ms);
  direction.not_before_ms = piece.due_ms;
  direction.queued += size;
  direction.queue.push_back(std::move(piece));
  return true;
}

void ChaosProxy::write_some(Connection& connection, Direction& direction, int64_t now) {
  while (!direction.queue.empty() && direction.queue.front().due_ms <= now) {
    const Piece& piece = direction.queue.front();
    const ssize_t sent = ::send(direction.to, piece.bytes.data() + direction.sent_of_first,
                                piece.bytes.size() - direction.sent_of_first, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) {
      connection.dead = true;
      return;
    }
    stats_.bytes += static_cast<uint64_t>(sent);
    direction.sent_of_first += static_cast<size_t>(sent);
    if (direction.sent_of_first < piece.bytes.size()) continue;
    direction.queued -= piece.bytes.size();
    direction.sent_of_first = 0;
    direction.queue.pop_front();
  }
  if (direction.ended && direction.queue.empty()) connection.dead = true;
}

}  // namespace prosodia::testing_support
