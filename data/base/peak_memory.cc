#include "data/base/peak_memory.h"

#include <fstream>
#include <string>

namespace prosodia {

uint64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");  // not getrusage: its maximum survives exec
  for (std::string key; status >> key;) {
    uint64_t kilobytes = 0;
    if (key == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace prosodia
