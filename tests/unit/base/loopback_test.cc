#include "data/base/loopback.h"

#include <gtest/gtest.h>

namespace prosodia {
namespace {

TEST(Loopback, IsWhatCannotLeaveTheMachine) {
  for (const char* host : {"localhost", "LocalHost", "127.0.0.1", "127.255.0.9", "::1", "[::1]"})
    EXPECT_TRUE(is_loopback_host(host)) << host;
}

TEST(Loopback, IsNoWildcardNorANameThatLooksLikeIt) {
  for (const char* host : {"", "::", "[::]", "0.0.0.0", "*", "127.0.0.1.evil.example", "127.evil.example", "127.1",
                           "localhost.evil.example", "128.0.0.1", "::2", "[::1].evil.example", "10.0.0.1"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

TEST(Loopback, TheHostOfAnAuthorityHasNoPort) {
  EXPECT_EQ(host_of("127.0.0.1:9464"), "127.0.0.1");
  EXPECT_EQ(host_of("node7"), "node7");
  EXPECT_EQ(host_of("[::1]:80"), "[::1]");
  EXPECT_FALSE(is_loopback_host(host_of("[::1].evil.example:80")));
  EXPECT_EQ(host_of("::1"), "::1");
  EXPECT_EQ(host_of("::"), "::");
  EXPECT_EQ(host_of(""), "");
}

}  // namespace
}  // namespace prosodia
