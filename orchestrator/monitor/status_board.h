// The newest LiveStatus and the newest steps, handed from the coordinator's thread to those who serve them. put() and
// add_step() swap a pointer or append a line under a mutex that readers hold for as short: no reader, however slow,
// makes the coordinator wait.
//
// Thread-safe. Cannot fail. Memory: one status and the last kStepsKept lines of metrics.jsonl (some 3 kB each).
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "orchestrator/monitor/live_status.h"

namespace prosodia {

class StatusBoard {
 public:
  static constexpr size_t kStepsKept = 1024;
  static constexpr size_t kStepsInAnswer = 256;

  void put(LiveStatus status) {
    auto next = std::make_shared<const LiveStatus>(std::move(status));
    const std::lock_guard lock(mutex_);
    newest_.swap(next);
  }
  std::shared_ptr<const LiveStatus> newest() const {  // nullptr before the first put()
    const std::lock_guard lock(mutex_);
    return newest_;
  }

  // A step that is not later than the last one takes back that and those between: they are reported again.
  void add_step(uint64_t step, std::string line) {
    const std::lock_guard lock(mutex_);
    while (!steps_.empty() && steps_.back().first >= step) steps_.pop_back();
    steps_.emplace_back(step, std::move(line));
    if (steps_.size() > kStepsKept) steps_.pop_front();
  }
  // Lines of the first kept steps from `first` on, each with a newline; at most kStepsInAnswer.
  std::string steps_from(uint64_t first) const {
    const std::lock_guard lock(mutex_);
    std::string lines;
    size_t count = 0;
    for (const auto& [step, line] : steps_) {
      if (step < first || count == kStepsInAnswer) continue;
      lines += line + "\n";
      ++count;
    }
    return lines;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const LiveStatus> newest_;
  std::deque<std::pair<uint64_t, std::string>> steps_;
};

}  // namespace prosodia
