#include "orchestrator/protocol/bulk.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <thread>

#include "data/base/crc32c.h"
#include "orchestrator/protocol/bulk_download.h"
#include "orchestrator/protocol/messages.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::protocol {
namespace {

constexpr size_t kMaxFrameBytes = size_t{64} << 10;  // requests and chunk headers; raw bytes travel in their own part

FrameHeader bulk_header() {
  FrameHeader header;
  header.seq = 1;
  return header;
}

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

// ------------------------------------------------------------------------------------------------ server

struct BulkServer::Impl {
  void loop();
  void answer(const RoutedFrame& request);
  void send_chunk(const std::string& peer, const GetWeights& request, const std::shared_ptr<const Snapshot>& snapshot);

  Lookup lookup;
  zmq::context_t context{1};
  zmq::socket_t socket;
  std::string endpoint;
  Wakeup wakeup;
  std::atomic<bool> stopping = false;
  std::atomic<uint64_t> bytes_sent = 0;
  std::thread thread;
};

void BulkServer::Impl::loop() {
  while (!stopping) {
    zmq::pollitem_t items[] = {{socket.handle(), 0, ZMQ_POLLIN, 0}, {nullptr, wakeup.fd(), ZMQ_POLLIN, 0}};
    poll_sockets(items, std::chrono::milliseconds(-1));
    wakeup.drain();
    while (auto request = router_receive(socket)) answer(*request);
  }
  socket.close();
}

void BulkServer::Impl::answer(const RoutedFrame& received) {
  const auto view = decode_frame(bytes_of(received.bytes), kMaxFrameBytes);
  if (!view || view->header.type != MessageType::kGetWeights) return;
  const auto request = decode<GetWeights>(view->payload);
  if (!request) return;
  const auto snapshot = lookup(request->version);
  std::string reason;
  if (!snapshot) {
    reason = fmt::format("version {} is not served", request->version);
  } else if (request->offset > snapshot->bytes.size() || request->length == 0 || request->length > kMaxChunkBytes) {
    reason = fmt::format("chunk of {} bytes at {} of version {} with {} bytes", request->length, request->offset,
                         request->version, snapshot->bytes.size());
  }
  if (!reason.empty()) {
    (void)router_send(socket, received.peer, encode_message(bulk_header(), WeightsMissing{request->version, reason}));
    return;
  }
  send_chunk(received.peer, *request, snapshot);
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
  SocketOptions socket_options;
  socket_options.max_message_bytes = kMaxFrameBytes;
  PROSODIA_ASSIGN(impl->socket,
                  bind_router(impl->context, options.endpoint, socket_options, options.allow_plaintext_network));
  impl->endpoint = last_endpoint(impl->socket);
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

// ------------------------------------------------------------------------------------------------ client

struct BulkClient::Impl {
  Status receive(BulkDownload& download, const BulkDownload::Allocate& allocate, PolicyVersion version,
                 int64_t* last_chunk_ms);

  BulkClientOptions options;
  zmq::context_t context{1};
  zmq::socket_t socket;
};

BulkClient::BulkClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BulkClient::~BulkClient() = default;

Result<std::unique_ptr<BulkClient>> BulkClient::connect(const BulkClientOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->options.chunk_bytes = std::clamp<uint32_t>(options.chunk_bytes, 1, kMaxChunkBytes);
  SocketOptions socket_options;
  socket_options.max_message_bytes = kMaxChunkBytes;
  PROSODIA_ASSIGN(impl->socket, connect_dealer(impl->context, options.endpoint, make_routing_id("bulk", random_u64()),
                                               socket_options));
  return std::unique_ptr<BulkClient>(new BulkClient(std::move(impl)));
}

Status BulkClient::Impl::receive(BulkDownload& download,
                                 const std::function<Result<std::span<std::byte>>(uint64_t)>& allocate,
                                 PolicyVersion version, int64_t* last_chunk_ms) {
  while (auto frame = dealer_receive(socket)) {
    const auto view = decode_frame(bytes_of(frame->bytes), kMaxFrameBytes);
    if (!view) continue;
    if (view->header.type == MessageType::kWeightsMissing) {
      const auto missing = decode<WeightsMissing>(view->payload);
      if (missing && missing->version == version) {
        return fail(ErrorCode::kStale, "weights from {}: {}", options.endpoint, missing->reason);
      }
    } else if (view->header.type == MessageType::kWeightsChunk) {
      const auto chunk = decode<WeightsChunk>(view->payload);
      if (!chunk) continue;
      *last_chunk_ms = steady_now_ms();
      PROSODIA_TRY(download.accept(*chunk, bytes_of(frame->extra), allocate));
    }
  }
  return {};
}

Status BulkClient::fetch_into(PolicyVersion version, const Digest& expected,
                              const std::function<Result<std::span<std::byte>>(uint64_t total)>& allocate) {
  BulkDownload download(impl_->options, version, expected);
  int64_t last_chunk_ms = steady_now_ms();
  while (!download.done()) {
    for (const GetWeights& request : download.requests(steady_now_ms())) {
      if (!dealer_send(impl_->socket, encode_message(bulk_header(), request))) download.not_sent(request);
    }
    zmq::pollitem_t item{impl_->socket.handle(), 0, ZMQ_POLLIN, 0};
    poll_sockets({&item, 1}, std::chrono::milliseconds(20));
    PROSODIA_TRY(impl_->receive(download, allocate, version, &last_chunk_ms));
    if (steady_now_ms() - last_chunk_ms > impl_->options.timeout.count()) {
      return fail(ErrorCode::kUnavailable, "no weights from {} within {} ms: the learner may have restarted",
                  impl_->options.endpoint, impl_->options.timeout.count());
    }
  }
  return download.verify();
}

Result<std::vector<std::byte>> BulkClient::fetch(PolicyVersion version, const Digest& expected) {
  std::vector<std::byte> bytes;
  PROSODIA_TRY(fetch_into(version, expected, [&](uint64_t total) -> Result<std::span<std::byte>> {
    try {
      bytes.resize(total);
    } catch (const std::bad_alloc&) {
      return fail(ErrorCode::kUnavailable, "weights of {} bytes do not fit into this machine's memory", total);
    }
    return std::span<std::byte>(bytes);
  }));
  return bytes;
}

}  // namespace prosodia::protocol
