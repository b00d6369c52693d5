#include "orchestrator/launch/restart_policy.h"

#include <gtest/gtest.h>

namespace prosodia::launch {
namespace {

TEST(RestartPolicy, BacksOffAndCaps) {
  RestartPolicy policy({.first_delay_ms = 100, .max_delay_ms = 500, .healthy_ms = 1000, .max_restarts = 5});
  EXPECT_EQ(policy.on_failure(1), 100);
  EXPECT_EQ(policy.on_failure(1), 200);
  EXPECT_EQ(policy.on_failure(1), 400);
  EXPECT_EQ(policy.on_failure(1), 500);
  EXPECT_EQ(policy.on_failure(1), 500);
  EXPECT_EQ(policy.on_failure(1), std::nullopt);
  EXPECT_EQ(policy.restarts(), 5);
}

TEST(RestartPolicy, HealthResetsTheDelayButNotTheCount) {
  RestartPolicy policy({.first_delay_ms = 100, .max_delay_ms = 10000, .healthy_ms = 1000, .max_restarts = 4});
  policy.on_failure(1);
  policy.on_failure(1);
  EXPECT_EQ(policy.on_failure(5000), 100);
  EXPECT_EQ(policy.on_failure(1), 100);
  EXPECT_EQ(policy.on_failure(5000), std::nullopt);
}

}  // namespace
}  // namespace prosodia::launch
