// TCP on 127.0.0.1 without a protocol, for tests that play a peer by hand; and fresh keys for those that speak CURVE.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>
#include <string>

#include "data/base/descriptor.h"
#include "orchestrator/protocol/keys.h"

namespace prosodia::testing_support {

inline sockaddr_in loopback_address(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Connected (blocking), or none when nobody listens there.
inline Descriptor connect_loopback(uint16_t port) {
  Descriptor connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback_address(port);
  if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return Descriptor();
  return connection;
}

// A folder of new keys under the test's temporary folder.
inline std::filesystem::path fresh_keys(const std::string& folder) {
  const auto dir = std::filesystem::path(::testing::TempDir()) / folder;
  std::filesystem::remove_all(dir);
  const Status made = protocol::generate_keys(dir);
  EXPECT_TRUE(made) << made.error().message;
  return dir;
}

}  // namespace prosodia::testing_support
