// Polls a RunSource on a thread of its own and keeps the model, so that a slow disk or network never makes a key wait.
//
// Thread rule: one user thread. Cannot fail; the destructor waits for a poll in progress.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "orchestrator/monitor/watch/run_source.h"

namespace prosodia::watch {

class Feed {
 public:
  Feed(std::unique_ptr<RunSource> source, std::string where,
       std::chrono::milliseconds period = std::chrono::milliseconds(1000));
  ~Feed();

  // Reads the model under the lock. Keep it short.
  void with_model(const std::function<void(const Model&)>& read);
  uint64_t changes();  // grows with every poll
  void pause(bool paused);

 private:
  void loop();

  std::unique_ptr<RunSource> source_;
  std::chrono::milliseconds period_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Model model_;
  uint64_t changes_ = 0;
  bool paused_ = false, ending_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace prosodia::watch
