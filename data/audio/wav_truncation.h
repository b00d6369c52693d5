// Finds WAV and AIFF files that were cut short. libsndfile plays what is left of them without a word, and a corpus
// would silently hold half utterances.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace prosodia {

struct TruncatedChunk {
  uint64_t declared_bytes = 0;  // size of the sound data according to the header
  uint64_t present_bytes = 0;   // what the file holds of it
};

// The sound-data chunk when it declares more bytes than follow; nothing when whole, of another format, or of the
// "unknown length" kind that programs write to a pipe (sizes from 0x7FFFF000 on). Pure.
std::optional<TruncatedChunk> find_truncated_chunk(std::span<const std::byte> file);

}  // namespace prosodia
