// Content digests: BLAKE2b-256 (libsodium), streamed. Used for weights, batches, configurations and the run's hash chain.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace prosodia {

struct Digest {
  std::array<uint8_t, 32> bytes{};
  friend auto operator<=>(const Digest&, const Digest&) = default;
  std::string hex() const;        // 64 digits
  std::string short_hex() const;  // the first 12, for log lines
  static Digest from_hex(std::string_view hex);  // all zero when malformed
};

// Streamed hashing. Not thread-safe. Integers and floats go in little-endian, strings with their length in front.
class DigestBuilder {
 public:
  DigestBuilder();
  ~DigestBuilder();
  DigestBuilder(DigestBuilder&&) noexcept;
  DigestBuilder& operator=(DigestBuilder&&) noexcept;

  DigestBuilder& add(std::span<const std::byte> bytes);
  DigestBuilder& add(std::string_view text);
  DigestBuilder& add(uint64_t value);
  DigestBuilder& add(double value);
  DigestBuilder& add(const Digest& digest);
  Digest finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace prosodia
