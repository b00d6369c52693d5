// Produces items 0..count-1 on several threads and consumes them in order on the calling thread, so that the result
// does not depend on the number of threads. At most `window` items are produced ahead of consumption (bounded memory).
//
// Called by: synth, annotate, import, the comparative set. Failure rule: the first error in item order ends the work
// and is returned; items behind it are not consumed. Blocking; all threads have ended on return.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

// --jobs: as many threads as it says, at least one; 0 = one a core.
inline int thread_count(int jobs) {
  return jobs > 0 ? jobs : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// produce: size_t -> Result<T>, called from any of `threads` threads. consume: (size_t, T) -> Status.
template <class Produce, class Consume>
Status ordered_parallel(size_t count, int threads, size_t window, Produce produce, Consume consume) {
  using Item = decltype(produce(size_t{0}));
  std::mutex mutex;
  std::condition_variable changed;
  std::map<size_t, Item> ready;
  size_t next = 0, consumed = 0;
  bool stop = false;

  const auto work = [&] {
    std::unique_lock guard(mutex);
    while (true) {
      changed.wait(guard, [&] { return stop || next >= count || next < consumed + window; });
      if (stop || next >= count) return;
      const size_t index = next++;
      guard.unlock();
      Item item = produce(index);
      guard.lock();
      ready.emplace(index, std::move(item));
      changed.notify_all();
    }
  };
  std::vector<std::thread> pool;
  for (int i = 0; i < std::max(1, threads); ++i) pool.emplace_back(work);

  Status status;
  std::unique_lock guard(mutex);
  while (status && consumed < count) {
    changed.wait(guard, [&] { return ready.contains(consumed); });
    Item item = std::move(ready.extract(consumed).mapped());
    guard.unlock();
    status = item ? consume(consumed, std::move(*item)) : Status(tl::unexpected(std::move(item).error()));
    guard.lock();
    ++consumed;
    changed.notify_all();
  }
  stop = true;
  guard.unlock();
  changed.notify_all();
  for (std::thread& thread : pool) thread.join();
  return status;
}

}  // namespace prosodia
