// How fast each worker works: what it delivered over the last minute. Filled from the journal records as they are
// written; asked when a status is made. Single thread; cannot fail; forgets workers that delivered nothing for a
// minute.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace prosodia {

class WorkerRates {
 public:
  // `amount` tokens or responses by the worker of this name.
  void add(const std::string& worker, double amount, int64_t now_ms) {
    Window& window = windows_.try_emplace(worker, now_ms).first->second;
    window.advance(now_ms);
    window.buckets[0] += amount;
  }

  // Per second, over the last minute or the time since its first delivery. 0 for a worker that is not known.
  double rate(const std::string& worker, int64_t now_ms) {
    const auto found = windows_.find(worker);
    if (found == windows_.end()) return 0;
    found->second.advance(now_ms);
    double sum = 0;
    for (const double amount : found->second.buckets) sum += amount;
    const auto seen_ms = std::min<int64_t>(now_ms - found->second.first_ms + kBucketMs, kBucketMs * kBuckets);
    if (sum == 0) windows_.erase(found);
    return sum * 1000 / static_cast<double>(seen_ms);
  }

 private:
  static constexpr int64_t kBucketMs = 5000, kBuckets = 12;
  struct Window {
    explicit Window(int64_t now_ms) : first_ms(now_ms), newest(now_ms / kBucketMs) {}
    void advance(int64_t now_ms) {
      const int64_t now = now_ms / kBucketMs;
      for (; newest < now; ++newest) {
        std::move_backward(buckets.begin(), buckets.end() - 1, buckets.end());
        buckets[0] = 0;
        if (now - newest > kBuckets) newest = now - kBuckets;
      }
    }
    int64_t first_ms, newest;
    std::array<double, kBuckets> buckets{};
  };
  std::map<std::string, Window> windows_;
};

}  // namespace prosodia
