#include "orchestrator/coordinator/control_port.h"

#include <spdlog/spdlog.h>

#include "data/store/atomic_file.h"
#include "orchestrator/coordinator/coordinator.h"

namespace prosodia {
namespace {

using protocol::Listener;
using protocol::Principal;

constexpr int64_t kWarningPeriodMs = 10'000;

Result<std::unique_ptr<Listener>> listen_on(zmq::context_t& context, const CoordinatorOptions& options,
                                            const std::string& endpoint) {
  protocol::ListenerOptions listener;
  listener.endpoint = endpoint;
  listener.allow_plaintext_network = options.allow_plaintext_network;
  listener.credentials = options.credentials;
  listener.admitted = {Principal::kLearner, Principal::kRollout, Principal::kReward};
  listener.limits = options.peer_limits;
  listener.socket.max_message_bytes = protocol::kMaxPayloadFromWorker + protocol::kFrameHeaderBytes;
  return Listener::open(context, listener);
}

// "*" as port: where workers of an earlier life still dial, when it is of the same address and free.
Result<std::unique_ptr<Listener>> bind_where_known(zmq::context_t& context, const CoordinatorOptions& options,
                                                   const Result<std::string>& earlier) {
  if (options.endpoint.ends_with(":*") && earlier) {
    const std::string host = options.endpoint.substr(0, options.endpoint.size() - 1);
    const std::string known = earlier->substr(0, earlier->find('\n'));
    const size_t colon = known.rfind(':');
    if (colon != std::string::npos && protocol::advertised_endpoint(host + known.substr(colon + 1)) == known) {
      if (auto listener = listen_on(context, options, host + known.substr(colon + 1))) return listener;
    }
  }
  return listen_on(context, options, options.endpoint);
}

}  // namespace

Result<std::unique_ptr<ControlPort>> ControlPort::open(const CoordinatorOptions& options, FileSystem& fs) {
  const auto file = options.run_dir / "coordinator.endpoint";
  auto port = std::make_unique<ControlPort>();
  PROSODIA_ASSIGN(port->listener_, bind_where_known(port->context_, options, fs.read_text(file)));
  port->endpoint_ = protocol::advertised_endpoint(port->listener_->endpoint());
  PROSODIA_TRY(write_file_atomic(fs, file, port->endpoint_ + "\n"));
  if (!port->encrypted() && !protocol::is_loopback(port->listener_->endpoint())) {
    spdlog::warn(
        "{} is open to the network WITHOUT encryption or authentication (--allow_plaintext_network): anybody who "
        "reaches it can take part in this run",
        port->listener_->endpoint());
  }
  return port;
}

core::Actions ControlPort::receive(core::RunCore& core, size_t max_frames, int64_t now_ms) {
  const auto offences = [&core] { return core.counters().bad_frames + core.counters().foreign_frames; };
  core::Actions actions;
  for (size_t i = 0; i < max_frames; ++i) {
    const auto frame = listener_->receive(now_ms);
    if (!frame) break;
    const auto key_role = frame->principal ? protocol::role_of(*frame->principal) : std::nullopt;
    const uint64_t before = offences();
    core::Actions more = core.on_frame(frame->peer, protocol::bytes_of(frame->bytes), now_ms, key_role);
    if (offences() > before) listener_->report_bad(*frame, now_ms);
    std::move(more.begin(), more.end(), std::back_inserter(actions));
  }
  return actions;
}

void ControlPort::send(const core::Send& send) {
  (void)protocol::router_send(listener_->socket(), send.peer, send.frame);  // what is lost is sent again
}

void ControlPort::tend(const core::Counters& counters, int64_t now_ms) {
  listener_->tend();
  if (now_ms < next_warning_ms_) return;
  next_warning_ms_ = now_ms + kWarningPeriodMs;
  const protocol::ListenerStats now = listener_->stats();
  if (const std::string text = protocol::describe_since(warned_, now); !text.empty()) {
    spdlog::warn("network: {}", text);
  }
  if (const uint64_t foreign = counters.foreign_hellos - warned_counters_.foreign_hellos; foreign > 0) {
    spdlog::warn("{} Hellos refused: the sender's key is not for the role it claims", foreign);
  }
  if (const uint64_t given_back = counters.weights_unreachable - warned_counters_.weights_unreachable; given_back > 0) {
    spdlog::warn(
        "{} groups given back: their rollout workers could not fetch the weights from the learner's port, which the "
        "workers' logs name",
        given_back);
  }
  warned_ = now;
  warned_counters_ = counters;
}

void ControlPort::close(int64_t linger_ms) {
  listener_->set_linger(static_cast<int>(linger_ms));
  listener_.reset();
}

}  // namespace prosodia
