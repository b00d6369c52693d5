// Which host names and addresses never leave this machine. Pure functions: no name is looked up, so a name that a
// foreign name server maps to 127.0.0.1 is not one of them. Any thread; cannot fail.
#pragma once

#include <string_view>

namespace prosodia {

// "localhost" in any case, an IPv4 literal in 127.0.0.0/8, "::1" with or without brackets. Wildcards are not.
bool is_loopback_host(std::string_view host);

// The host of "host:port", "[ipv6]:port", or of either without a port. A bare IPv6 address has no port.
std::string_view host_of(std::string_view authority);

}  // namespace prosodia
