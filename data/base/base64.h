// Base64 (RFC 4648, with padding), for data URIs. Pure function.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace prosodia {

std::string base64(std::span<const std::byte> bytes);

}  // namespace prosodia
