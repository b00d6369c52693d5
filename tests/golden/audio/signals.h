// The test signals of generate.py, from integer arithmetic so that C++ and Python get the same bits.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace prosodia {

inline int32_t chirp_at(uint64_t i) {
  const uint64_t phase = (i * i * 3 + i * 700) % 65536;
  return static_cast<int32_t>(phase < 65535 - phase ? phase : 65535 - phase) - 16384;
}

inline int32_t noise_at(uint64_t i, int shift) {
  auto v = static_cast<uint32_t>(i * 2654435761u + 12345u);
  v ^= v >> 15;
  v *= 2246822519u;
  v ^= v >> 13;
  return (static_cast<int32_t>(v >> 16) - 32768) >> shift;
}

inline std::vector<float> test_signal(std::string_view kind, size_t n) {
  std::vector<float> samples(n);
  for (size_t i = 0; i < n; ++i) {
    int32_t value = 0;
    if (kind == "chirp") value = chirp_at(i);
    if (kind == "noise") value = noise_at(i, 2);
    if (kind == "fading") value = i < n / 2 ? chirp_at(i) : noise_at(i, 11);
    if (kind == "last_sample") value = i + 1 == n ? 30000 : noise_at(i, 12);
    samples[i] = static_cast<float>(value) / 32768.0f;
  }
  return samples;
}

}  // namespace prosodia
