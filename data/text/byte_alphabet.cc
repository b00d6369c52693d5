#include "data/text/byte_alphabet.h"

#include <algorithm>
#include <numeric>

#include "data/text/unicode.h"

namespace prosodia {
namespace {

constexpr bool stands_for_itself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

constexpr std::array<char32_t, 256> make_alphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) alphabet[byte] = stands_for_itself(byte) ? char32_t(byte) : next++;
  return alphabet;
}
constexpr std::array<char32_t, 256> kCharOfByte = make_alphabet();

constexpr std::array<int16_t, 0x144> make_inverse() {
  std::array<int16_t, 0x144> inverse{};
  for (int16_t& byte : inverse) byte = -1;
  for (int byte = 0; byte < 256; ++byte) inverse[kCharOfByte[byte]] = static_cast<int16_t>(byte);
  return inverse;
}
constexpr std::array<int16_t, 0x144> kByteOfChar = make_inverse();

}  // namespace

std::string to_printable(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    const char32_t c = kCharOfByte[static_cast<uint8_t>(byte)];
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else {
      text += static_cast<char>(0xC0 | (c >> 6));
      text += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  return text;
}

std::optional<std::string> from_printable(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = utf8_at(text, at);
    if (c.kind != Utf8Char::kValid || c.code_point >= kByteOfChar.size() || kByteOfChar[c.code_point] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(kByteOfChar[c.code_point]);
    at += c.length;
  }
  return bytes;
}

const std::array<uint8_t, 256>& bytes_in_alphabet_order() {
  static const std::array<uint8_t, 256> order = [] {
    std::array<uint8_t, 256> bytes{};
    std::iota(bytes.begin(), bytes.end(), uint8_t{0});
    std::ranges::sort(bytes, {}, [](uint8_t byte) { return kCharOfByte[byte]; });
    return bytes;
  }();
  return order;
}

}  // namespace prosodia
