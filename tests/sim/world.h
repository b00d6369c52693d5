// The simulated world: one thread, a virtual clock in milliseconds, a seeded source of faults, and a network that
// drops, duplicates, delays and so reorders. Everything that happens is an event in one queue, ordered by (time, order
// of creation); the same seed gives the same run, which the trace hash shows. Whatever goes wrong is counted by name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <span>
#include <string>
#include <vector>

#include "data/base/crc32c.h"
#include "data/base/philox.h"

namespace prosodia::sim {

struct NetworkFaults {
  double drop = 0, duplicate = 0;  // probability per frame
  int64_t min_delay_ms = 1, max_delay_ms = 1;
};

class World {
 public:
  using Event = std::function<void()>;

  explicit World(uint64_t seed) : random_(mix_seed(seed, 0x73696D)) {}

  int64_t now_ms() const { return now_ms_; }
  void at(int64_t delay_ms, Event event) { queue_.push({now_ms_ + delay_ms, order_++, std::move(event)}); }
  bool step() {  // runs the next event; false when there is none
    if (queue_.empty()) return false;
    Entry entry = queue_.top();
    queue_.pop();
    now_ms_ = entry.time_ms;
    entry.event();
    return true;
  }

  bool chance(double probability) { return random_.next_unit() < probability; }
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_.next_below(static_cast<uint32_t>(high - low + 1)));
  }
  uint64_t random_u64() { return (uint64_t{random_.next_u32()} << 32) | random_.next_u32() | 1; }

  // Carries a frame: `deliver` runs zero, one or two times, later.
  void carry(std::vector<std::byte> frame, const std::function<void(std::vector<std::byte>)>& deliver) {
    if (chance(faults.drop)) {
      count("frames dropped");
      return;
    }
    const int copies = chance(faults.duplicate) ? 2 : 1;
    if (copies == 2) count("frames duplicated");
    if (faults.max_delay_ms > 1) count("frames delayed");
    for (int copy = 0; copy < copies; ++copy) {
      at(between(faults.min_delay_ms, faults.max_delay_ms), [this, frame, deliver] {
        trace(crc32c(frame));
        deliver(frame);
      });
    }
  }

  void count(const std::string& fault) {
    ++injected_[fault];
    trace(injected_.size());
  }
  const std::map<std::string, uint64_t>& injected() const { return injected_; }

  void trace(uint64_t what) { trace_ = mix_seed(trace_ ^ what, static_cast<uint64_t>(now_ms_)); }
  uint64_t trace_hash() const { return trace_; }

  NetworkFaults faults;

 private:
  struct Entry {
    int64_t time_ms;
    uint64_t order;
    Event event;
    bool operator<(const Entry& other) const {
      return std::pair(time_ms, order) > std::pair(other.time_ms, other.order);
    }
  };
  std::priority_queue<Entry> queue_;
  int64_t now_ms_ = 0;
  uint64_t order_ = 0;
  uint64_t trace_ = 0;
  std::map<std::string, uint64_t> injected_;
  PhiloxStream random_;
};

}  // namespace prosodia::sim
