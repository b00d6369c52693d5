#include "orchestrator/protocol/peer_guard.h"

#include <gtest/gtest.h>

namespace prosodia::protocol {
namespace {

using Verdict = PeerGuard::Verdict;

constexpr PeerLimits kLimits{.frames_per_s = 10,
                             .frame_burst = 20,
                             .bytes_per_s = 1000,
                             .byte_burst = 5000,
                             .max_strikes = 4,
                             .forgive_ms = 1000,
                             .max_peers = 3};

TEST(PeerGuard, BurstThenItsRateAndOthersAreNotTouched) {
  PeerGuard guard(kLimits);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(guard.on_frame("flood", 1, 0), Verdict::kAdmit);
  EXPECT_EQ(guard.on_frame("flood", 1, 0), Verdict::kDrop);
  EXPECT_EQ(guard.on_frame("calm", 1, 0), Verdict::kAdmit);
  EXPECT_EQ(guard.on_frame("flood", 1, 100), Verdict::kAdmit);  // one token in 100 ms
  EXPECT_EQ(guard.on_frame("flood", 1, 100), Verdict::kDrop);
  EXPECT_EQ(guard.throttled(), 2u);
}

TEST(PeerGuard, BytesCountToo) {
  PeerGuard guard(kLimits);
  EXPECT_EQ(guard.on_frame("big", 5000, 0), Verdict::kAdmit);
  EXPECT_EQ(guard.on_frame("big", 1, 0), Verdict::kDrop);
  EXPECT_EQ(guard.on_frame("big", 1000, 1000), Verdict::kAdmit);
}

TEST(PeerGuard, StrikesCutAndAreForgivenWithTime) {
  PeerGuard guard(kLimits);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(guard.on_bad_frame("noise", 0), Verdict::kDrop);
  EXPECT_EQ(guard.on_bad_frame("noise", 0), Verdict::kCut);
  EXPECT_EQ(guard.cut(), 1u);
  // One bad frame a second for ever is forgiven.
  for (int64_t second = 1; second < 100; ++second) EXPECT_EQ(guard.on_bad_frame("slow", second * 1000), Verdict::kDrop);
  EXPECT_EQ(guard.bad(), 103u);
}

TEST(PeerGuard, RemembersABoundedNumberOfPeers) {
  PeerGuard guard(kLimits);
  for (int i = 0; i < 1000; ++i) (void)guard.on_frame(std::to_string(i), 1, i);
  EXPECT_EQ(guard.size(), 3u);
}

}  // namespace
}  // namespace prosodia::protocol
