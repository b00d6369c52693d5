// The calendar's clock: for what people read. Durations and deadlines take a steady clock. Any thread.
#pragma once

#include <chrono>

namespace prosodia {

inline double unix_seconds() {  // since 1970-01-01 UTC
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace prosodia
