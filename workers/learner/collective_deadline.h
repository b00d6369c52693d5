// How long learner ranks wait for each other before they take one of them for stuck: ten times the longest step so far,
// since ranks of one step are never further apart than it, and not less than a minute. Before the first step, while
// loading and while saving (which are rank 0's alone and of unknown length) it is the limit, --collective_timeout_s.
//
// Pure. Each rank keeps its own; ranks of a group see the same steps.
#pragma once

#include <algorithm>
#include <chrono>

namespace prosodia {

class CollectiveDeadline {
 public:
  using Duration = std::chrono::milliseconds;
  static constexpr int kSteps = 10;
  static constexpr Duration kLeast{60'000};

  explicit CollectiveDeadline(Duration limit) : limit_(limit) {}  // 0 = wait forever, whatever was measured

  void on_step(Duration took) { longest_ = std::max(longest_, took); }
  Duration limit() const { return limit_; }
  Duration of_step() const {
    return longest_ == Duration(0) ? limit_ : std::min(limit_, std::max(kLeast, kSteps * longest_));
  }

 private:
  Duration limit_, longest_{0};
};

}  // namespace prosodia
