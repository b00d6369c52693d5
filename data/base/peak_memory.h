// The most memory this process has held so far, mapped files included. Linux.
#pragma once

#include <cstdint>

namespace prosodia {

uint64_t peak_memory_bytes();  // VmHWM; 0 when /proc does not tell

}  // namespace prosodia
