#include "data/base/digest.h"

#include <sodium.h>

#include "data/base/check.h"

namespace prosodia {

std::string Digest::hex() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::string Digest::short_hex() const { return hex().substr(0, 12); }

Digest Digest::from_hex(std::string_view hex) {
  Digest digest;
  size_t length = 0;
  if (sodium_hex2bin(digest.bytes.data(), digest.bytes.size(), hex.data(), hex.size(), nullptr, &length, nullptr) != 0 ||
      length != digest.bytes.size()) {
    return Digest{};
  }
  return digest;
}

struct DigestBuilder::State {
  crypto_generichash_state hash;
};

DigestBuilder::DigestBuilder() : state_(std::make_unique<State>()) {
  crypto_generichash_init(&state_->hash, nullptr, 0, sizeof(Digest::bytes));
}
DigestBuilder::~DigestBuilder() = default;
DigestBuilder::DigestBuilder(DigestBuilder&&) noexcept = default;
DigestBuilder& DigestBuilder::operator=(DigestBuilder&&) noexcept = default;

DigestBuilder& DigestBuilder::add(std::span<const std::byte> bytes) {
  crypto_generichash_update(&state_->hash, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  return *this;
}
DigestBuilder& DigestBuilder::add(std::string_view text) {
  add(static_cast<uint64_t>(text.size()));
  return add(std::as_bytes(std::span(text.data(), text.size())));
}
DigestBuilder& DigestBuilder::add(uint64_t value) { return add(std::as_bytes(std::span(&value, 1))); }
DigestBuilder& DigestBuilder::add(double value) { return add(std::as_bytes(std::span(&value, 1))); }
DigestBuilder& DigestBuilder::add(const Digest& digest) { return add(std::as_bytes(std::span(digest.bytes))); }

Digest DigestBuilder::finish() {
  Digest digest;
  const int rc = crypto_generichash_final(&state_->hash, digest.bytes.data(), digest.bytes.size());
  PROSODIA_CHECK(rc == 0, "finish() called twice");
  return digest;
}

}  // namespace prosodia
