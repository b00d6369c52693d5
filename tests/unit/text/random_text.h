// Seeded random inputs for the text tests.
#pragma once

#include <string>
#include <vector>

#include "data/base/philox.h"

namespace prosodia {

inline void append_utf8(char32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
    return;
  }
  const int continuation = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr int kLead[] = {0, 0xC0, 0xE0, 0xF0};
  out += static_cast<char>(kLead[continuation] | (c >> (6 * continuation)));
  for (int i = continuation - 1; i >= 0; --i) out += static_cast<char>(0x80 | ((c >> (6 * i)) & 0x3F));
}

// Any code points but surrogates; the interesting low ones more often.
inline std::string random_utf8(PhiloxStream& random, uint32_t max_chars) {
  std::string text;
  for (uint32_t n = random.next_below(max_chars + 1); n > 0; --n) {
    constexpr uint32_t kLimits[] = {0x80, 0x80, 0x250, 0x2100, 0xD800, 0x110000};
    char32_t c = random.next_below(kLimits[random.next_below(6)]);
    if (c >= 0xD800 && c < 0xE000) c = ' ';
    append_utf8(c, text);
  }
  return text;
}

inline std::string random_bytes(PhiloxStream& random, uint32_t max_bytes) {
  std::string bytes;
  for (uint32_t n = random.next_below(max_bytes + 1); n > 0; --n) bytes += static_cast<char>(random.next_u32());
  return bytes;
}

}  // namespace prosodia
