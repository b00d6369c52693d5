#include "orchestrator/monitor/metrics_server.h"

#include <httplib.h>
#include <poll.h>

#include <chrono>
#include <condition_variable>

#include "data/base/clock.h"
#include "data/base/json.h"
#include "data/base/loopback.h"
#include "data/base/number.h"
#include "orchestrator/monitor/prometheus.h"

namespace prosodia {
namespace {

using Clock = std::chrono::steady_clock;

// A socket whose whole conversation ends at a deadline and whose request has a limit, which httplib's own stream (a
// time limit for each read) does not give.
class BoundedStream final : public httplib::Stream {
 public:
  BoundedStream(socket_t socket, const std::atomic<bool>& closing, Clock::time_point deadline)
      : socket_(socket), closing_(closing), deadline_(deadline) {}

  bool is_readable() const override { return wait_for(POLLIN); }
  bool is_writable() const override { return wait_for(POLLOUT); }
  ssize_t read(char* data, size_t size) override {
    size = std::min(size, kLimit - std::min(received_, kLimit));
    if (size == 0 || !wait_for(POLLIN)) return -1;
    const ssize_t got = ::recv(socket_, data, size, 0);
    if (got > 0) received_ += static_cast<size_t>(got);
    return got;
  }
  ssize_t write(const char* data, size_t size) override {
    if (!wait_for(POLLOUT)) return -1;
    return ::send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

 private:
  static constexpr size_t kLimit = MetricsServer::kMaxRequestBytes;

  bool wait_for(short event) const {
    constexpr auto kSlice = std::chrono::milliseconds(100);  // so that closing the port waits for nobody
    while (!closing_) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now());
      if (left.count() <= 0) return false;
      pollfd entry{socket_, event, 0};
      const int ready = ::poll(&entry, 1, static_cast<int>(std::min(left, kSlice).count()));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return false;
    }
    return false;
  }

  socket_t socket_;
  const std::atomic<bool>& closing_;
  Clock::time_point deadline_;
  size_t received_ = 0;
};

thread_local bool turn_away = false;  // the connection is one too many; only within BoundedQueue::enqueue

// A fixed number of threads and of waiting connections; one more is turned away on the spot.
class BoundedQueue final : public httplib::TaskQueue {
 public:
  BoundedQueue() {
    for (size_t i = 0; i < MetricsServer::kThreads; ++i) threads_.emplace_back([this] { work(); });
  }
  void enqueue(std::function<void()> task) override {
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.size() < MetricsServer::kWaiting) {
        waiting_.push_back(std::move(task));
        wake_.notify_one();
        return;
      }
    }
    turn_away = true;
    task();
    turn_away = false;
  }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;  // the last ones are still closed properly
      const auto task = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  bool ending_ = false;
};

class BoundedServer final : public httplib::Server {
 public:
  std::atomic<bool> closing{false};
  std::chrono::milliseconds connection_limit{};

 private:
  bool process_and_close_socket(socket_t socket) override {
    bool done = false;
    if (!turn_away) {
      BoundedStream stream(socket, closing, Clock::now() + connection_limit);
      bool closed = false;
      done = process_request(stream, /*close_connection=*/true, closed, nullptr);
    }
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return done;
  }
};

// A browser always sends Host, and sends the name by which it found us: one that some name server pointed at loopback
// (DNS rebinding) is foreign here. A client without the header is no browser.
bool is_served_host(const std::string& address, const httplib::Request& request) {
  return !is_loopback_host(address) || !request.has_header("Host") ||
         is_loopback_host(host_of(request.get_header_value("Host")));
}

class HttpMetricsServer final : public MetricsServer {
 public:
  HttpMetricsServer(const StatusBoard& board, MetricsServerOptions options)
      : board_(board), options_(std::move(options)) {}

  ~HttpMetricsServer() override {
    server_.closing = true;
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Status start() {
    server_.connection_limit = options_.connection_limit;
    server_.new_task_queue = [] { return new BoundedQueue; };
    server_.set_socket_options(
        [](socket_t socket) {  // not SO_REUSEPORT, httplib's default: two runs would share a port
          const int yes = 1;
          ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        });
    server_.set_payload_max_length(0);
    add_routes();
    const bool bound = options_.port > 0 ? server_.bind_to_port(options_.address, options_.port)
                                         : (port_ = server_.bind_to_any_port(options_.address)) > 0;
    if (!bound) {
      return fail(ErrorCode::kUnavailable,
                  "cannot serve metrics on {}:{}: in use, or no address of this machine. Next: another --metrics_port",
                  options_.address, options_.port);
    }
    if (options_.port > 0) port_ = options_.port;
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();  // so that stop() finds it running
    return {};
  }

  int port() const override { return port_; }

 private:
  using Make = std::function<std::string(const LiveStatus&, const httplib::Request&)>;

  void add_route(const char* path, const char* type, Make make) {
    server_.Get(path, [this, type, make = std::move(make)](const httplib::Request& request, httplib::Response& answer) {
      if (!is_served_host(options_.address, request)) {
        answer.status = 403;
        answer.set_content("this host name is not served here\n", "text/plain");
        return;
      }
      const auto status = board_.newest();
      if (status == nullptr) {
        answer.status = 503;
        answer.set_content("the coordinator is starting\n", "text/plain");
        return;
      }
      answer.set_content(make(*status, request), type);
    });
  }

  void add_routes() {
    add_route("/metrics", "text/plain; version=0.0.4; charset=utf-8",
              [this](const LiveStatus& status, const httplib::Request&) {
                return prometheus_text(status, measure_host(options_.run_dir, unix_seconds()));
              });
    add_route("/status.json", "application/json",
              [](const LiveStatus& status, const httplib::Request&) { return dump_line(to_json(status)) + "\n"; });
    add_route("/steps.jsonl", "application/jsonl", [this](const LiveStatus&, const httplib::Request& request) {
      return board_.steps_from(parse_integer<uint64_t>(request.get_param_value("from")).value_or(0));
    });
    add_route("/healthz", "text/plain", [](const LiveStatus&, const httplib::Request&) { return "ok\n"; });
  }

  const StatusBoard& board_;
  MetricsServerOptions options_;
  BoundedServer server_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<MetricsServer>> serve_metrics(const StatusBoard& board, const MetricsServerOptions& options) {
  auto server = std::make_unique<HttpMetricsServer>(board, options);
  PROSODIA_TRY(server->start());
  return server;
}

}  // namespace prosodia
