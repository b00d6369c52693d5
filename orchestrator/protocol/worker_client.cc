#include "orchestrator/protocol/worker_client.h"

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "data/base/check.h"
#include "orchestrator/protocol/client_core.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::protocol {
namespace {

constexpr int kGoodbyeLingerMs = 200;
constexpr int64_t kRereadEndpointMs = 3000;

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
  void redial_if_moved(int64_t now_ms);
  void loop();
  void send(const ClientCore::Frames& frames);
  template <class M>
  Status submit(LeaseId lease, const M& message);
  Status failed() const;  // with the mutex held

  const WorkerClientOptions options;
  const WorkerEpoch epoch;
  zmq::context_t context{1};
  Wakeup wakeup;

  mutable std::mutex mutex;  // guards everything below, up to the I/O thread's own part
  std::condition_variable changed;
  ClientCore core;
  ClientCore::Frames outbox;
  bool stopping = false;

  // I/O thread only (dial() runs before it starts).
  std::string endpoint;
  zmq::socket_t socket;
  int64_t next_reread_ms = 0;
  std::thread thread;
};

Status WorkerClient::Impl::dial() {
  SocketOptions socket_options;
  socket_options.max_message_bytes = kMaxPayloadFromCoordinator + kFrameHeaderBytes;
  PROSODIA_ASSIGN(socket,
                  connect_dealer(context, endpoint, make_routing_id(options.name, epoch.value), socket_options));
  return {};
}

void WorkerClient::Impl::redial_if_moved(int64_t now_ms) {
  if (options.endpoint_file.empty() || now_ms < next_reread_ms) return;
  next_reread_ms = now_ms + kRereadEndpointMs;
  {
    const std::lock_guard lock(mutex);
    if (core.silent_ms(now_ms) < kRereadEndpointMs) return;
  }
  const std::string moved = read_first_line(options.endpoint_file);
  if (moved.empty() || moved == endpoint) return;
  endpoint = moved;
  socket.close();
  (void)dial();  // a malformed endpoint leaves no socket; the silence then ends in kUnavailable
}

void WorkerClient::Impl::send(const ClientCore::Frames& frames) {
  if (!socket) return;
  for (const auto& frame : frames) (void)dealer_send(socket, frame);  // what is lost is sent again by the core
}

void WorkerClient::Impl::loop() {
  while (true) {
    zmq::pollitem_t items[] = {{nullptr, wakeup.fd(), ZMQ_POLLIN, 0},
                               {socket ? socket.handle() : nullptr, 0, ZMQ_POLLIN, 0}};
    poll_sockets(std::span(items).first(socket ? 2 : 1), std::chrono::milliseconds(ClientCore::kPollIntervalMs));
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
    }
    if (!received.empty()) changed.notify_all();
    send(out);
    if (stop) break;
    redial_if_moved(now_ms);
  }
  if (socket) socket.set(zmq::sockopt::linger, kGoodbyeLingerMs);
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
  const bool answered = state.changed.wait_for(lock, state.options.connect_timeout,
                                               [&] { return state.core.state() != ClientState::kHelloSent; });
  PROSODIA_TRY(state.failed());
  if (!answered) {
    return fail(ErrorCode::kUnavailable,
                "no answer from the coordinator at {} within {} ms: is it running, and is the address right?",
                state.options.endpoint, state.options.connect_timeout.count());
  }
  return client;
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
