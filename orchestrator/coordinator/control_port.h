// The coordinator's control port: a Listener where workers find it, whose frames go into RunCore with the role of their
// sender's key, and which tells the log what peers do that they should not.
//
// Called by the coordinator's loop; single thread. Failure rule: open() reports endpoint and keys; later misbehaviour
// of peers is counted.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/store/fs.h"
#include "orchestrator/core/run_core.h"
#include "orchestrator/protocol/listener.h"

namespace prosodia {

struct CoordinatorOptions;

class ControlPort {
 public:
  // Listens and writes RUN/coordinator.endpoint.
  static Result<std::unique_ptr<ControlPort>> open(const CoordinatorOptions& options, FileSystem& fs);

  const std::string& endpoint() const { return endpoint_; }  // what workers dial
  bool encrypted() const { return listener_->encrypted(); }
  void* poll_handle() { return listener_->socket().handle(); }

  // Hands up to `max_frames` waiting frames to `core`.
  core::Actions receive(core::RunCore& core, size_t max_frames, int64_t now_ms);
  void send(const core::Send& send);
  // With every tick of the loop.
  void tend(const core::Counters& counters, int64_t now_ms);
  void close(int64_t linger_ms);  // gives the last frames so long to leave

 private:
  zmq::context_t context_{1};
  std::unique_ptr<protocol::Listener> listener_;
  std::string endpoint_;
  protocol::ListenerStats warned_;  // what the log has told
  core::Counters warned_counters_;
  int64_t next_warning_ms_ = 0;
};

}  // namespace prosodia
