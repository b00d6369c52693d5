// The coordinator's metrics port, by cpp-httplib. Read-only:
//
//   GET /metrics             Prometheus text (prometheus.h)
//   GET /status.json         LiveStatus (live_status.h)
//   GET /steps.jsonl?from=N  lines of metrics.jsonl of the kept steps from N on, at most 256
//   GET /healthz             "ok" once there is a status
//
// One request a connection. A request may have kMaxRequestBytes and take `connection_limit` from connect to last byte,
// however it dribbles; kThreads are served at a time, kWaiting wait, the rest is closed at once. So neither a flood nor
// a client that never ends costs more than these threads; the coordinator's own thread takes no part (status_board.h).
//
// No encryption and no authentication: prompts and responses can be read by whoever reaches the port. On loopback,
// which is the default, requests under a foreign host name are refused (DNS rebinding from a browser).
//
// Thread rule: one owner. Failures: kUnavailable when the address cannot be bound; later ones cost the connection.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "data/base/status.h"
#include "orchestrator/monitor/status_board.h"

namespace prosodia {

struct MetricsServerOptions {
  std::string address = "127.0.0.1";
  int port = 0;                                      // 0 = any free one
  std::filesystem::path run_dir;                     // whose disk is measured
  std::chrono::milliseconds connection_limit{5000};  // from connect to last byte
};

class MetricsServer {
 public:
  static constexpr size_t kMaxRequestBytes = 8192;
  static constexpr size_t kThreads = 4, kWaiting = 32;

  virtual ~MetricsServer() = default;  // closes the port; connections in progress are cut
  virtual int port() const = 0;
};

// `board` outlives the server.
Result<std::unique_ptr<MetricsServer>> serve_metrics(const StatusBoard& board, const MetricsServerOptions& options);

}  // namespace prosodia
