#include <algorithm>
#include <new>

#include "orchestrator/protocol/bulk.h"
#include "orchestrator/protocol/bulk_download.h"
#include "orchestrator/protocol/messages.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::protocol {
namespace {

constexpr std::chrono::milliseconds kPoll{20};
constexpr int64_t kNextKeyMs = 2000;  // without an answer, the next of the learner's public keys is tried

}  // namespace

struct BulkClient::Impl {
  Status dial();
  Status receive(BulkDownload& download, const BulkDownload::Allocate& allocate, PolicyVersion version,
                 int64_t* last_chunk_ms);

  BulkClientOptions options;
  zmq::context_t context{1};
  zmq::socket_t socket;
  size_t dials = 0;
};

BulkClient::BulkClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BulkClient::~BulkClient() = default;

Status BulkClient::Impl::dial() {
  SocketOptions socket_options;
  socket_options.max_message_bytes = kMaxChunkBytes;
  PROSODIA_TRY(set_server_key(socket_options, options.credentials, Principal::kLearner, dials++));
  socket.close();
  PROSODIA_ASSIGN(socket,
                  connect_dealer(context, options.endpoint, make_routing_id("bulk", random_u64()), socket_options));
  return {};
}

Result<std::unique_ptr<BulkClient>> BulkClient::connect(const BulkClientOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->options.chunk_bytes = std::clamp<uint32_t>(options.chunk_bytes, 1, kMaxChunkBytes);
  PROSODIA_TRY(impl->dial());
  return std::unique_ptr<BulkClient>(new BulkClient(std::move(impl)));
}

Status BulkClient::Impl::receive(BulkDownload& download, const BulkDownload::Allocate& allocate, PolicyVersion version,
                                 int64_t* last_chunk_ms) {
  while (auto frame = dealer_receive(socket)) {
    const auto view = decode_frame(bytes_of(frame->bytes), kMaxBulkFrameBytes);
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
  Impl& impl = *impl_;
  BulkDownload download(impl.options, version, expected);
  int64_t last_chunk_ms = steady_now_ms();
  int64_t next_dial_ms = last_chunk_ms + kNextKeyMs;
  while (!download.done()) {
    for (const GetWeights& request : download.requests(steady_now_ms())) {
      if (!dealer_send(impl.socket, encode_message(bulk_header(), request))) download.not_sent(request);
    }
    zmq::pollitem_t item{impl.socket.handle(), 0, ZMQ_POLLIN, 0};
    poll_sockets({&item, 1}, kPoll);
    PROSODIA_TRY(impl.receive(download, allocate, version, &last_chunk_ms));
    const int64_t now_ms = steady_now_ms();
    if (now_ms - last_chunk_ms > impl.options.timeout.count()) {
      return fail(ErrorCode::kUnavailable,
                  "no weights from {} within {} ms: the learner may have restarted; or this port cannot be reached "
                  "from here{}",
                  impl.options.endpoint, impl.options.timeout.count(),
                  impl.options.credentials ? ", or the keys do not match its allow-list" : "");
    }
    if (impl.options.credentials && !download.started() && now_ms >= next_dial_ms) {
      next_dial_ms = now_ms + kNextKeyMs;
      PROSODIA_TRY(impl.dial());
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
