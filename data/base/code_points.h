// Characters of a UTF-8 text, for widths in a terminal and lengths of words. Pure; any bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace prosodia {

// Code points that begin in `text`: bytes that continue one do not count.
inline size_t count_code_points(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char byte) { return (byte & 0xC0) != 0x80; }));
}

}  // namespace prosodia
