// CRC-32C (Castagnoli), as used by the journal, the frames and TensorBoard's event files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace prosodia {

// Extends `crc` (0 to begin) over `bytes`. Uses the SSE4.2 instruction where the processor has it. Thread-safe.
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t crc = 0);

}  // namespace prosodia
