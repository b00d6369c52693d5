#include "orchestrator/protocol/gatekeeper.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "data/base/check.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::protocol {
namespace {

constexpr const char* kZapEndpoint = "inproc://zeromq.zap.01";  // fixed by ZeroMQ RFC 27
constexpr size_t kMaxZapParts = 16;

// RFC 27: version, request id, domain, address, identity, mechanism, credentials.
struct ZapRequest {
  std::string request_id, mechanism, key;
};

std::optional<ZapRequest> parse(const std::vector<zmq::message_t>& parts) {
  if (parts.size() != 7 || parts[0].to_string_view() != "1.0") return std::nullopt;
  ZapRequest request{parts[1].to_string(), parts[5].to_string(), {}};
  char z85[41];
  if (parts[6].size() == 32 && zmq_z85_encode(z85, parts[6].data<uint8_t>(), 32) != nullptr) request.key = z85;
  return request;
}

}  // namespace

struct Gatekeeper::Impl {
  void loop();
  void answer(const std::vector<zmq::message_t>& parts);
  std::optional<Principal> judge(const ZapRequest& request) const;

  CredentialsPtr credentials;
  std::vector<Principal> admitted;
  zmq::socket_t socket;
  Wakeup wakeup;
  std::atomic<bool> stopping = false;
  std::atomic<uint64_t> refused = 0;
  std::thread thread;
};

// The list is read for every handshake: they are rare, the file is small, and an edited list takes effect at once.
std::optional<Principal> Gatekeeper::Impl::judge(const ZapRequest& request) const {
  if (request.mechanism != "CURVE") return std::nullopt;
  const auto list = AllowList::load(credentials->allow_list);
  const auto principal = list ? list->find(request.key) : std::nullopt;
  if (!principal || std::ranges::find(admitted, *principal) == admitted.end()) return std::nullopt;
  return principal;
}

void Gatekeeper::Impl::answer(const std::vector<zmq::message_t>& parts) {
  const auto request = parse(parts);
  const auto principal = request ? judge(*request) : std::nullopt;
  if (!principal) ++refused;
  const std::string id = request ? request->request_id : "";
  const std::string user(principal ? name(*principal) : "");
  const auto more = zmq::send_flags::sndmore;
  socket.send(zmq::str_buffer("1.0"), more);
  socket.send(zmq::buffer(id), more);
  socket.send(principal ? zmq::str_buffer("200") : zmq::str_buffer("400"), more);
  socket.send(principal ? zmq::str_buffer("OK") : zmq::str_buffer("this key is not allowed here"), more);
  socket.send(zmq::buffer(user), more);
  socket.send(zmq::const_buffer(), zmq::send_flags::none);  // no metadata
}

void Gatekeeper::Impl::loop() {
  while (!stopping) {
    zmq::pollitem_t items[] = {{socket.handle(), 0, ZMQ_POLLIN, 0}, {nullptr, wakeup.fd(), ZMQ_POLLIN, 0}};
    poll_sockets(items, std::chrono::milliseconds(-1));
    wakeup.drain();
    if (!(items[0].revents & ZMQ_POLLIN)) continue;
    std::vector<zmq::message_t> parts;
    bool more = true;
    while (more) {
      zmq::message_t part;
      if (!socket.recv(part, zmq::recv_flags::none)) break;
      more = part.more();
      if (parts.size() < kMaxZapParts) parts.push_back(std::move(part));
    }
    answer(parts);
  }
  socket.close();
}

Gatekeeper::Gatekeeper(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Gatekeeper>> Gatekeeper::start(zmq::context_t& context, CredentialsPtr credentials,
                                                      std::vector<Principal> admitted) {
  PROSODIA_CHECK(credentials != nullptr, "a gatekeeper without keys");
  auto impl = std::make_unique<Impl>();
  impl->credentials = std::move(credentials);
  impl->admitted = std::move(admitted);
  try {
    impl->socket = zmq::socket_t(context, zmq::socket_type::rep);
    impl->socket.set(zmq::sockopt::linger, 0);
    impl->socket.bind(kZapEndpoint);
  } catch (const zmq::error_t& error) {
    return fail(ErrorCode::kInternal, "cannot bind the ZAP handler at {}: {}", kZapEndpoint, error.what());
  }
  Impl& state = *impl;
  state.thread = std::thread([&state] { state.loop(); });
  return std::unique_ptr<Gatekeeper>(new Gatekeeper(std::move(impl)));
}

Gatekeeper::~Gatekeeper() {
  impl_->stopping = true;
  impl_->wakeup.signal();
  impl_->thread.join();
}

uint64_t Gatekeeper::refused() const { return impl_->refused; }

}  // namespace prosodia::protocol
