// How long this machine kept a ready thread waiting. Tests about time over real sockets cannot tell a slow network from
// a busy machine; they ask here and repeat, or say that they could not decide, when the machine was the cause.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

namespace prosodia::testing_support {

class PauseWatch {
 public:
  PauseWatch() : thread_([this] { watch(); }) {}
  ~PauseWatch() {
    over_ = true;
    thread_.join();
  }
  int64_t longest_ms() const { return longest_ms_; }

 private:
  void watch() {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::milliseconds kNap{2};
    while (!over_) {
      const auto begin = Clock::now();
      std::this_thread::sleep_for(kNap);
      const auto late = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin - kNap).count();
      longest_ms_ = std::max<int64_t>(longest_ms_, late);
    }
  }
  std::atomic<bool> over_ = false;
  std::atomic<int64_t> longest_ms_ = 0;
  std::thread thread_;
};

}  // namespace prosodia::testing_support
