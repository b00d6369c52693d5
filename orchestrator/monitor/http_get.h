// One bounded HTTP GET, by cpp-httplib: what `prosodia watch --address` asks a coordinator.
//
// Blocks for some seconds at most; any thread. Failures: kUnavailable naming the address and what to do next.
#pragma once

#include <string>

#include "data/base/status.h"

namespace prosodia {

struct HttpAddress {
  std::string host;
  int port = 0;
};

// "HOST:PORT", "[IPV6]:PORT", with or without "http://" in front and a "/" behind; kUsage otherwise.
Result<HttpAddress> parse_http_address(const std::string& text);

// The body of a 200 answer, at most kMaxHttpAnswerBytes of it.
inline constexpr size_t kMaxHttpAnswerBytes = 16 << 20;
Result<std::string> http_get(const HttpAddress& address, const std::string& path);

}  // namespace prosodia
