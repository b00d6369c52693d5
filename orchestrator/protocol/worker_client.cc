#include "orchestrator/protocol/worker_client.h"

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "data/base/check.h"
#include "orchestrator/protocol/client_core.h"
#include "orchestrator/protocol/socket_events.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::protocol {
namespace {

constexpr int kGoodbyeLingerMs = 200;
constexpr int64_t kSilentPeriods = 4;  // heartbeats; then the connection is given up and a new one made
constexpr int64_t kMaxRedialMs = 5000;

std::string read_first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

struct WorkerClient::Impl {
  explicit Impl(WorkerClientOptions given)
      : options(std::move(given)),
        epoch(random_u64()),
        core(options, epoch, steady_now_ms()),
        endpoint(options.endpoint) {}

  Status dial();
  void watch_connection();
  void redial_if_silent(int64_t now_ms);
  void loop();
  void send(const ClientCore::Frames& frames);
  template <class M>
  Status submit(LeaseId lease, const M& message);
  Status failed() const;     // with the mutex held
  Status no_answer() const;  // likewise

  const WorkerClientOptions options;
  const WorkerEpoch epoch;
  zmq::context_t context{1};
  Wakeup wakeup;

  mutable std::mutex mutex;  // guards everything below, up to the I/O thread's own part
  std::condition_variable changed;
  ClientCore core;
  ClientCore::Frames outbox;
  bool stopping = false;
  ConnectionCounts connections;  // of all dials
  uint64_t dials = 0;

  // I/O thread only (dial() runs before it starts).
  std::string endpoint;
  zmq::socket_t socket;
  std::unique_ptr<SocketEvents> events;
  int64_t redial_pause_ms = 0, next_dial_ms = 0;
  std::thread thread;
};

// Also when dialling again: the allow-list is read anew, and of several keys of the coordinator the next is tried.
Status WorkerClient::Impl::dial() {
  events.reset();
  socket.close();
  SocketOptions socket_options;
  socket_options.max_message_bytes = kMaxPayloadFromCoordinator + kFrameHeaderBytes;
  PROSODIA_TRY(set_server_key(socket_options, options.credentials, Principal::kCoordinator, dials));
  {
    const std::lock_guard lock(mutex);
    ++dials;
  }
  PROSODIA_ASSIGN(socket,
                  connect_dealer(context, endpoint, make_routing_id(options.name, epoch.value), socket_options));
  events = std::make_unique<SocketEvents>(context, socket, 0);
  return {};
}

void WorkerClient::Impl::watch_connection() {
  if (!events) return;
  const ConnectionCounts before = events->counts();
  events->drain();
  const ConnectionCounts& now = events->counts();
  if (now.handshakes_failed == before.handshakes_failed) return;
  {
    const std::lock_guard lock(mutex);
    connections.handshakes_failed += now.handshakes_failed - before.handshakes_failed;
    connections.keys_refused += now.keys_refused - before.keys_refused;
  }
  changed.notify_all();
}

// A connection may be half open, refused for good by libzmq (which does not dial again after damaged bytes), or lead to
// where the coordinator no longer is. So when it is silent for too long, a new one is made to where it is now; from try
// to try the pause doubles.
void WorkerClient::Impl::redial_if_silent(int64_t now_ms) {
  int64_t silent_ms = 0, patience_ms = 0;
  {
    const std::lock_guard lock(mutex);
    silent_ms = core.silent_ms(now_ms);
    patience_ms = kSilentPeriods * core.heartbeat_period_ms();
  }
  if (silent_ms < patience_ms) {
    redial_pause_ms = patience_ms;
    return;
  }
  if (now_ms < next_dial_ms) return;
  redial_pause_ms = std::min(std::max(redial_pause_ms, patience_ms) * 2, std::max(kMaxRedialMs, patience_ms));
  next_dial_ms = now_ms + redial_pause_ms;
  const std::string moved = options.endpoint_file.empty() ? "" : read_first_line(options.endpoint_file);
  if (!moved.empty()) endpoint = moved;
  (void)dial();  // a malformed endpoint leaves no socket; the silence then ends in kUnavailable
}

void WorkerClient::Impl::send(const ClientCore::Frames& frames) {
  if (!socket) return;
  for (const auto& frame : frames) (void)dealer_send(socket, frame);  // what is lost is sent again by the core
}

void WorkerClient::Impl::loop() {
  int64_t poll_ms = 5;
  while (true) {
    zmq::pollitem_t items[] = {{nullptr, wakeup.fd(), ZMQ_POLLIN, 0},
                               {socket ? socket.handle() : nullptr, 0, ZMQ_POLLIN, 0}};
    poll_sockets(std::span(items).first(socket ? 2 : 1), std::chrono::milliseconds(poll_ms));
    wakeup.drain();
    std::vector<RoutedFrame> received;
    while (socket) {
      auto frame = dealer_receive(socket);
      if (!frame) break;
      received.push_back(std::move(*frame));
    }
    const int64_t now_ms = steady_now_ms();
    ClientCore::Frames out;
    bool stop = false;
    {
      const std::lock_guard lock(mutex);
      const auto append = [&out](ClientCore::Frames frames) {
        std::move(frames.begin(), frames.end(), std::back_inserter(out));
      };
      for (const RoutedFrame& frame : received) append(core.on_frame(bytes_of(frame.bytes), now_ms));
      append(std::exchange(outbox, {}));
      append(core.poll(now_ms));
      stop = stopping;
      if (stop) append(core.goodbye("the worker ends"));
      poll_ms = core.poll_interval_ms();
    }
    if (!received.empty()) changed.notify_all();
    send(out);
    if (stop) break;
    watch_connection();
    redial_if_silent(now_ms);
  }
  if (socket) socket.set(zmq::sockopt::linger, kGoodbyeLingerMs);
  events.reset();
  socket.close();
}

Status WorkerClient::Impl::failed() const {
  if (core.state() == ClientState::kRejected) {
    return fail(ErrorCode::kUsage, "{} was refused by the coordinator at {}: {}", options.name, options.endpoint,
                core.failure());
  }
  if (core.state() == ClientState::kFenced) {
    return fail(ErrorCode::kStale, "{} was replaced: {}", options.name, core.failure());
  }
  return {};
}

template <class M>
Status WorkerClient::Impl::submit(LeaseId lease, const M& message) {
  {
    const std::lock_guard lock(mutex);
    PROSODIA_TRY(failed());
    for (auto& frame : core.submit(lease, message, steady_now_ms())) outbox.push_back(std::move(frame));
  }
  wakeup.signal();
  return {};
}

WorkerClient::WorkerClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<WorkerClient>> WorkerClient::connect(WorkerClientOptions options) {
  if (options.name.empty() || options.name.size() > 200) {
    return fail(ErrorCode::kUsage, "a worker name of {} bytes: expected 1 to 200", options.name.size());
  }
  auto impl = std::make_unique<Impl>(std::move(options));
  PROSODIA_TRY(impl->dial());
  Impl& state = *impl;
  state.thread = std::thread([&state] { state.loop(); });
  std::unique_ptr<WorkerClient> client(new WorkerClient(std::move(impl)));
  std::unique_lock lock(state.mutex);
  const auto is_refused = [&] { return state.connections.keys_refused > 0; };
  (void)state.changed.wait_for(lock, state.options.connect_timeout,
                               [&] { return state.core.state() != ClientState::kHelloSent || is_refused(); });
  PROSODIA_TRY(state.failed());
  if (state.core.state() == ClientState::kLive) return client;
  if (is_refused()) {
    return fail(
        ErrorCode::kUsage,
        "the coordinator at {} refused the key of {}: its allow-list has no such key for the role {}. Next: add "
        "the public key there, or start with the right --keys",
        state.options.endpoint, state.options.name, name(state.options.role));
  }
  return tl::unexpected(state.no_answer().error());
}

Status WorkerClient::Impl::no_answer() const {
  std::string_view hint;
  if (connections.handshakes_failed > 0) {
    hint =
        options.credentials
            ? " Something there fails the encrypted handshake: does it have the coordinator's key of our allow-list, "
              "and was it started with --keys?"
            : " Something there fails the handshake: was the coordinator started with --keys, and this worker without?";
  }
  return fail(ErrorCode::kUnavailable,
              "no answer from the coordinator at {} within {} ms: is it running, and is the address right?{}",
              options.endpoint, options.connect_timeout.count(), hint);
}

WorkerClient::~WorkerClient() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wakeup.signal();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Welcome WorkerClient::welcome() const {
  const std::lock_guard lock(impl_->mutex);
  return *impl_->core.welcome();
}

Result<std::optional<Task>> WorkerClient::next_task(std::chrono::milliseconds wait) {
  std::unique_lock lock(impl_->mutex);
  std::optional<Task> task;
  impl_->changed.wait_for(lock, wait, [&] {
    task = impl_->core.take_task();
    return task.has_value() || impl_->core.state() == ClientState::kRejected ||
           impl_->core.state() == ClientState::kFenced;
  });
  if (task) return task;
  PROSODIA_TRY(impl_->failed());
  const int64_t silent_ms = impl_->core.silent_ms(steady_now_ms());
  if (silent_ms > impl_->options.coordinator_timeout.count()) {
    return fail(ErrorCode::kUnavailable,
                "the coordinator at {} has been silent for {} ms: restart it (the same command resumes the run)",
                impl_->options.endpoint, silent_ms);
  }
  return std::optional<Task>{};
}

std::vector<LeaseId> WorkerClient::take_cancelled() {
  const std::lock_guard lock(impl_->mutex);
  return impl_->core.take_cancelled();
}

void WorkerClient::report_progress(LeaseId lease, uint64_t counter) {
  const std::lock_guard lock(impl_->mutex);
  impl_->core.report_progress(lease, counter);
}

Status WorkerClient::send_result(LeaseId lease, const RolloutResult& result) { return impl_->submit(lease, result); }
Status WorkerClient::send_result(LeaseId lease, const RewardResult& result) { return impl_->submit(lease, result); }

Status WorkerClient::send_failure(LeaseId lease, GroupId group, ErrorCode code, const std::string& message) {
  return impl_->submit(lease, TaskFailed{group, code, message});
}

Status WorkerClient::announce_weights(const std::vector<ServedVersion>& served) {
  {
    const std::lock_guard lock(impl_->mutex);
    PROSODIA_TRY(impl_->failed());
    for (auto& frame : impl_->core.announce(served, steady_now_ms())) impl_->outbox.push_back(std::move(frame));
  }
  impl_->wakeup.signal();
  return {};
}

Status WorkerClient::send_step_done(LeaseId lease, const StepDone& done) { return impl_->submit(lease, done); }

Status WorkerClient::send_checkpoint_committed(const CheckpointCommitted& committed) {
  return impl_->submit(LeaseId{}, committed);
}

bool WorkerClient::flush(std::chrono::milliseconds wait) {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, wait, [&] { return impl_->core.unacked() == 0; });
}

WorkerClient::Stats WorkerClient::stats() const {
  const std::lock_guard lock(impl_->mutex);
  Stats stats = impl_->core.stats();
  stats.unacked = impl_->core.unacked();
  return stats;
}

}  // namespace prosodia::protocol
