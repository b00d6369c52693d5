// The metrics port by raw sockets: answers, limits, clients that never end, and a port that is closed under them.
#include "orchestrator/monitor/metrics_server.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <fstream>

#include "orchestrator/monitor/http_get.h"
#include "orchestrator/monitor/watch/run_source.h"
#include "tests/support/loopback.h"
#include "tests/unit/watch/watch_model_util.h"

namespace prosodia {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Client {
 public:
  explicit Client(int port) : socket_(testing_support::connect_loopback(static_cast<uint16_t>(port))) {
    EXPECT_TRUE(socket_.valid()) << "nobody listens on " << port;
    wait_at_most(std::chrono::seconds(20));
  }
  bool say(std::string_view text) { return ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) >= 0; }
  std::string hear() {  // until the server closes
    std::string all;
    char piece[4096];
    for (ssize_t got; (got = ::recv(socket_.get(), piece, sizeof piece, 0)) > 0;)
      all.append(piece, static_cast<size_t>(got));
    return all;
  }
  bool is_closed_within_a_second() {
    wait_at_most(std::chrono::seconds(1));
    char byte;
    const ssize_t got = ::recv(socket_.get(), &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }

 private:
  void wait_at_most(std::chrono::seconds time) {
    const timeval limit{time.count(), 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  Descriptor socket_;
};

class MetricsPort : public testing::Test {
 protected:
  MetricsPort() {
    server = serve_metrics(board, {.run_dir = "/", .connection_limit = std::chrono::milliseconds(1500)}).value();
  }
  std::string ask(const std::string& request) {
    Client client(server->port());
    client.say(request);
    return client.hear();
  }
  std::string get(const std::string& path, const std::string& more = "") {
    return ask("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + more + "\r\n");
  }
  StatusBoard board;
  std::unique_ptr<MetricsServer> server;
};

TEST_F(MetricsPort, ServesWhatTheBoardHolds) {
  EXPECT_THAT(get("/metrics"), StartsWith("HTTP/1.1 503")) << "no status yet";
  board.put(watch::live_status());
  const std::string metrics = get("/metrics");
  EXPECT_THAT(metrics, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(metrics, HasSubstr("text/plain; version=0.0.4"));
  EXPECT_THAT(metrics, HasSubstr("prosodia_steps_total 60\n"));
  EXPECT_THAT(metrics, HasSubstr("prosodia_run_disk_free_bytes "));
  EXPECT_THAT(metrics, HasSubstr("process_resident_memory_bytes "));
  EXPECT_THAT(get("/healthz"), HasSubstr("\r\n\r\nok\n"));
  const std::string json = get("/status.json");
  const auto status = parse_live_status(json.substr(json.find("\r\n\r\n") + 4));
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->workers.size(), 3u);
  board.add_step(3, "{\"step\":3}");
  board.add_step(4, "{\"step\":4}");
  EXPECT_THAT(get("/steps.jsonl?from=4"), HasSubstr("\r\n\r\n{\"step\":4}\n"));
  EXPECT_THAT(get("/steps.jsonl?from=x"), HasSubstr("{\"step\":3}\n"));
}

TEST_F(MetricsPort, IsReadOnlyAndBounded) {
  board.put(watch::live_status());
  EXPECT_THAT(ask("POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc"),
              StartsWith("HTTP/1.1 4"));
  EXPECT_THAT(get("/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(get("/../etc/passwd"), StartsWith("HTTP/1.1 404"));
  for (const std::string host : {"evil.example", "127.0.0.1.evil.example:9464", "localhost.evil.example", "[::]"})
    EXPECT_THAT(ask("GET /metrics HTTP/1.1\r\nHost: " + host + "\r\n\r\n"), StartsWith("HTTP/1.1 403"))
        << "DNS rebinding";
  for (const std::string host : {"localhost:9464", "127.0.0.1:9464", "[::1]:9464"})
    EXPECT_THAT(ask("GET /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n"), testing::Not(StartsWith("HTTP/1.1 403")));
  std::string headers;
  for (int i = 0; i < 2000; ++i) headers += "X-Header-" + std::to_string(i) + ": x\r\n";
  EXPECT_THAT(get("/metrics", headers), testing::Not(StartsWith("HTTP/1.1 200"))) << "a request of 30 kB";
  EXPECT_THAT(ask("nonsense\r\n\r\n"), testing::Not(StartsWith("HTTP/1.1 200")));
  EXPECT_THAT(get("/healthz"), HasSubstr("ok")) << "still there";
}

// More clients than threads that say half a request and no more: those are cut off at the deadline, others are served,
// and putting a new status never waits.
TEST_F(MetricsPort, EndlessClientsCostNobodyElseTheirAnswer) {
  board.put(watch::live_status());
  std::vector<std::unique_ptr<Client>> endless;
  for (size_t i = 0; i < MetricsServer::kThreads; ++i) {
    endless.push_back(std::make_unique<Client>(server->port()));
    endless.back()->say("GET /metrics HTTP/1.1\r\nX: ");
  }
  LiveStatus next = watch::live_status();
  next.trained_steps = 61;
  board.put(next);
  EXPECT_THAT(get("/metrics"), HasSubstr("prosodia_steps_total 61\n")) << "after the others' deadline";
  for (auto& client : endless) EXPECT_THAT(client->hear(), testing::Not(HasSubstr("200 OK")));
}

// Here half a request may take ten minutes, so nothing gets better by waiting.
class PatientPort : public MetricsPort {
 protected:
  PatientPort() {
    server.reset();
    server = serve_metrics(board, {.connection_limit = std::chrono::minutes(10)}).value();
    board.put(watch::live_status());
  }
  void crowd_in() {
    for (size_t i = 0; i < MetricsServer::kThreads + MetricsServer::kWaiting; ++i) {
      crowd.push_back(std::make_unique<Client>(server->port()));
      crowd.back()->say("GET ");
    }
  }
  std::vector<std::unique_ptr<Client>> crowd;
};

TEST_F(PatientPort, TurnsAwayWhatIsTooMuch) {
  crowd_in();
  bool turned_away = false;  // not the first one, when the threads were slow to take theirs out of the queue
  for (size_t i = 0; i <= MetricsServer::kThreads && !turned_away; ++i) {
    crowd.push_back(std::make_unique<Client>(server->port()));
    turned_away = crowd.back()->is_closed_within_a_second();
  }
  EXPECT_TRUE(turned_away);
}

// Would take minutes otherwise, and run into the test's time limit.
TEST_F(PatientPort, ClosesUnderItsClients) {
  crowd_in();
  const int port = server->port();
  server.reset();
  for (auto& client : crowd) client->hear();
  server = serve_metrics(board, {.port = port}).value();
  EXPECT_EQ(server->port(), port) << "a restarted coordinator gets its port again";
}

TEST_F(MetricsPort, APortThatIsTakenIsSaid) {
  const auto second = serve_metrics(board, {.port = server->port()});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message, HasSubstr("--metrics_port"));
  EXPECT_FALSE(serve_metrics(board, {.address = "203.0.113.7"}));
}

TEST_F(MetricsPort, WatchReadsStepsAndStatusFromIt) {
  LiveStatus status = watch::live_status();
  for (uint64_t step = 1; step <= 600; ++step)
    board.add_step(step, metrics_line(watch::watched_step(step, 900)).dump());
  status.newest = watch::watched_step(600, 900);
  status.responses = {{600, sampled(1, 0, 1, true)}};
  board.put(status);
  auto source = watch::open_address("127.0.0.1:" + std::to_string(server->port())).value();
  watch::Model model;
  watch::apply(source->poll(1), model);
  EXPECT_EQ(model.note, "");
  EXPECT_EQ(model.history.values(metric::kReward).size(), 600u) << "in three answers";
  EXPECT_EQ(model.liveness, watch::Liveness::kRunning);
  EXPECT_EQ(model.responses.size(), 1u);
  board.add_step(599, metrics_line(watch::watched_step(599, 900)).dump());  // the run was resumed
  status.newest.step = 599;
  status.phase = RunPhase::kStopped;
  board.put(status);
  watch::apply(source->poll(2), model);
  EXPECT_EQ(model.history.last_step(), 599u);
  EXPECT_EQ(model.history.values(metric::kReward).size(), 599u);
  EXPECT_EQ(model.liveness, watch::Liveness::kEnded);
}

}  // namespace
}  // namespace prosodia
