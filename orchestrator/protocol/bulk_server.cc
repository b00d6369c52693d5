#include <algorithm>
#include <atomic>
#include <thread>

#include "data/base/crc32c.h"
#include "orchestrator/protocol/bulk.h"
#include "orchestrator/protocol/listener.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol {
namespace {

constexpr int64_t kTendMs = 500;
// Chunks that wait for one peer. Each keeps its snapshot in memory, so a peer that asks and does not read must not
// collect many; a client's window is smaller.
constexpr int kMaxQueuedParts = 64;

// A message part that points into the snapshot and keeps it alive until ZeroMQ has sent it.
zmq::message_t share_bytes(const std::shared_ptr<const Snapshot>& snapshot, std::span<const std::byte> bytes) {
  auto* keep_alive = new std::shared_ptr<const Snapshot>(snapshot);
  return zmq::message_t(
      const_cast<std::byte*>(bytes.data()), bytes.size(),
      [](void*, void* hint) { delete static_cast<std::shared_ptr<const Snapshot>*>(hint); }, keep_alive);
}

}  // namespace

std::shared_ptr<const Snapshot> make_snapshot(std::vector<std::byte> bytes) {
  auto owned = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->bytes = *owned;
  snapshot->digest = digest_bytes(*owned);
  snapshot->owner = owned;
  return snapshot;
}

struct BulkServer::Impl {
  void loop();
  bool answer(const RoutedFrame& request);
  void send_chunk(const std::string& peer, const GetWeights& request, const std::shared_ptr<const Snapshot>& snapshot);

  Lookup lookup;
  zmq::context_t context{1};
  std::unique_ptr<Listener> listener;  // the thread's
  std::string endpoint;
  Wakeup wakeup;
  std::atomic<bool> stopping = false;
  std::atomic<uint64_t> bytes_sent = 0;
  std::thread thread;
};

void BulkServer::Impl::loop() {
  while (!stopping) {
    zmq::pollitem_t items[] = {{listener->socket().handle(), 0, ZMQ_POLLIN, 0}, {nullptr, wakeup.fd(), ZMQ_POLLIN, 0}};
    poll_sockets(items, std::chrono::milliseconds(kTendMs));
    wakeup.drain();
    const int64_t now_ms = steady_now_ms();
    while (const auto request = listener->receive(now_ms)) {
      if (!answer(*request)) listener->report_bad(*request, now_ms);
    }
    listener->tend();
  }
  listener.reset();
}

// False when it was no request.
bool BulkServer::Impl::answer(const RoutedFrame& received) {
  const auto view = decode_frame(bytes_of(received.bytes), kMaxBulkFrameBytes);
  if (!view || view->header.type != MessageType::kGetWeights) return false;
  const auto request = decode<GetWeights>(view->payload);
  if (!request) return false;
  const auto snapshot = lookup(request->version);
  std::string reason;
  if (!snapshot) {
    reason = fmt::format("version {} is not served", request->version);
  } else if (request->offset > snapshot->bytes.size() || request->length == 0 || request->length > kMaxChunkBytes) {
    reason = fmt::format("chunk of {} bytes at {} of version {} with {} bytes", request->length, request->offset,
                         request->version, snapshot->bytes.size());
  }
  if (reason.empty()) {
    send_chunk(received.peer, *request, snapshot);
  } else {
    (void)router_send(listener->socket(), received.peer,
                      encode_message(bulk_header(), WeightsMissing{request->version, reason}));
  }
  return true;
}

void BulkServer::Impl::send_chunk(const std::string& peer, const GetWeights& request,
                                  const std::shared_ptr<const Snapshot>& snapshot) {
  const uint64_t length = std::min<uint64_t>(request.length, snapshot->bytes.size() - request.offset);
  const auto bytes = snapshot->bytes.subspan(request.offset, length);
  WeightsChunk chunk;
  chunk.version = request.version;
  chunk.total_bytes = snapshot->bytes.size();
  chunk.offset = request.offset;
  chunk.length = static_cast<uint32_t>(length);
  chunk.crc = crc32c(bytes);
  chunk.digest = snapshot->digest;
  const auto frame = encode_message(bulk_header(), chunk);
  zmq::socket_t& socket = listener->socket();
  try {
    const auto flags = zmq::send_flags::sndmore | zmq::send_flags::dontwait;
    if (!socket.send(zmq::buffer(peer), flags)) return;  // its queue is full: it will ask again
    (void)socket.send(zmq::buffer(frame.data(), frame.size()), flags);
    (void)socket.send(share_bytes(snapshot, bytes), zmq::send_flags::dontwait);
    bytes_sent += length;
  } catch (const zmq::error_t&) {
    // The peer is gone; nothing to do.
  }
}

BulkServer::BulkServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<BulkServer>> BulkServer::start(const BulkServerOptions& options, Lookup lookup) {
  auto impl = std::make_unique<Impl>();
  impl->lookup = std::move(lookup);
  ListenerOptions listener_options;
  listener_options.endpoint = options.endpoint;
  listener_options.allow_plaintext_network = options.allow_plaintext_network;
  listener_options.credentials = options.credentials;
  listener_options.admitted = {Principal::kRollout};
  listener_options.socket.max_message_bytes = kMaxBulkFrameBytes;
  listener_options.socket.high_water_messages = kMaxQueuedParts;
  PROSODIA_ASSIGN(impl->listener, Listener::open(impl->context, listener_options));
  impl->endpoint = advertised_endpoint(impl->listener->endpoint());
  Impl& state = *impl;
  state.thread = std::thread([&state] { state.loop(); });
  return std::unique_ptr<BulkServer>(new BulkServer(std::move(impl)));
}

BulkServer::~BulkServer() {
  impl_->stopping = true;
  impl_->wakeup.signal();
  impl_->thread.join();
}

const std::string& BulkServer::endpoint() const { return impl_->endpoint; }
uint64_t BulkServer::bytes_sent() const { return impl_->bytes_sent; }

}  // namespace prosodia::protocol
