// Implements Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a counter-based
// generator. A number is a pure function of (key, counter), so a sampled token does not depend on which worker drew it,
// in what order, or how often.
#pragma once

#include <array>
#include <cstdint>

namespace prosodia {

using PhiloxBlock = std::array<uint32_t, 4>;

constexpr PhiloxBlock philox4x32(uint64_t key, PhiloxBlock counter) {
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// Counter from two 64-bit words, e.g. (sample index, position).
constexpr PhiloxBlock philox4x32(uint64_t key, uint64_t low, uint64_t high) {
  return philox4x32(key, {static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32), static_cast<uint32_t>(high),
                          static_cast<uint32_t>(high >> 32)});
}

// Uniform in the open interval (0, 1): 23 bits, centred, exact in float, so neither 0 nor 1 occurs.
constexpr float unit_float(uint32_t bits) { return (static_cast<float>(bits >> 9) + 0.5f) * 0x1p-23f; }

// A key for a derived stream: mix(run seed, step), mix(that, slot), …
constexpr uint64_t mix_seed(uint64_t seed, uint64_t value) {
  const PhiloxBlock block = philox4x32(seed, value, 0x50524F534F444941);  // "PROSODIA"
  return (uint64_t{block[1]} << 32) | block[0];
}

// A small sequential generator over one stream, for shuffles and data synthesis. Value type; single thread.
class PhiloxStream {
 public:
  explicit constexpr PhiloxStream(uint64_t key) : key_(key) {}
  constexpr uint32_t next_u32() {
    if (used_ == 4) {
      block_ = philox4x32(key_, counter_++, 0);
      used_ = 0;
    }
    return block_[used_++];
  }
  constexpr float next_unit() { return unit_float(next_u32()); }
  // Uniform in [0, bound), without modulo bias beyond 2^-32 (Lemire's multiply-shift); bound > 0.
  constexpr uint32_t next_below(uint32_t bound) {
    return static_cast<uint32_t>((uint64_t{next_u32()} * bound) >> 32);
  }
  // Standard normal by Box-Muller.
  float next_normal();

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
  PhiloxBlock block_{};
  int used_ = 4;
};

}  // namespace prosodia
