// When a failed process is started again: exponential backoff, reset after a time of health, capped in number. Pure.
#pragma once

#include <cstdint>
#include <optional>

namespace prosodia::launch {

struct RestartOptions {
  int64_t first_delay_ms = 100;
  int64_t max_delay_ms = 10'000;
  int64_t healthy_ms = 60'000;  // a process that lived this long starts again with the first delay
  int max_restarts = 20;        // over the process's whole life; more means giving up
};

class RestartPolicy {
 public:
  explicit RestartPolicy(RestartOptions options) : options_(options) {}

  // The process died after `lived_ms`. Returns the delay before the next start, or nothing when it has failed too
  // often.
  std::optional<int64_t> on_failure(int64_t lived_ms);
  int restarts() const { return restarts_; }

 private:
  RestartOptions options_;
  int restarts_ = 0;
  int consecutive_ = 0;
};

}  // namespace prosodia::launch
