#include "data/base/loopback.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <string>

namespace prosodia {

bool is_loopback_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const std::string text(host);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
  constexpr std::string_view kName = "localhost";
  return std::ranges::equal(text, kName, {}, [](unsigned char letter) { return std::tolower(letter); });
}

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    // What follows the bracket can only be a port; anything else makes it no address at all.
    return end == std::string_view::npos || (end + 1 < authority.size() && authority[end + 1] != ':')
               ? authority
               : authority.substr(0, end + 1);
  }
  const size_t colon = authority.find(':');
  const bool bare_ipv6 = colon != std::string_view::npos && authority.find(':', colon + 1) != std::string_view::npos;
  return bare_ipv6 ? authority : authority.substr(0, colon);
}

}  // namespace prosodia
