#include "orchestrator/protocol/frame.h"

#include <gtest/gtest.h>

#include <cstring>

namespace prosodia::protocol {
namespace {

std::vector<std::byte> payload_of(size_t size) {
  std::vector<std::byte> payload(size);
  for (size_t i = 0; i < size; ++i) payload[i] = static_cast<std::byte>(i * 7 + 1);
  return payload;
}

std::vector<std::byte> sample(size_t size) {
  FrameHeader header{MessageType::kHeartbeat, 0, RunId(1), WorkerEpoch(2), LeaseId(3), 4};
  return encode_frame(header, payload_of(size));
}

TEST(Frame, RoundTrip) {
  const auto bytes = sample(33);
  ASSERT_EQ(bytes.size(), kFrameHeaderBytes + 33);
  const auto view = decode_frame(bytes, 64);
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->header.type, MessageType::kHeartbeat);
  EXPECT_EQ(view->header.run_id, RunId(1));
  EXPECT_EQ(view->header.sender_epoch, WorkerEpoch(2));
  EXPECT_EQ(view->header.lease_id, LeaseId(3));
  EXPECT_EQ(view->header.seq, 4u);
  const auto payload = payload_of(33);
  EXPECT_TRUE(std::equal(payload.begin(), payload.end(), view->payload.begin(), view->payload.end()));
}

TEST(Frame, HeaderBytesAreFrozen) {
  const auto bytes = sample(0);
  EXPECT_EQ(std::memcmp(bytes.data(), "PRP1", 4), 0);
  EXPECT_EQ(static_cast<int>(bytes[4]), 1);   // version
  EXPECT_EQ(static_cast<int>(bytes[6]), 2);   // type
  EXPECT_EQ(static_cast<int>(bytes[12]), 1);  // run id
  EXPECT_EQ(static_cast<int>(bytes[20]), 2);  // epoch
  EXPECT_EQ(static_cast<int>(bytes[28]), 3);  // lease
  EXPECT_EQ(static_cast<int>(bytes[36]), 4);  // seq
}

TEST(Frame, EveryTruncationIsRefused) {
  const auto bytes = sample(16);
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_frame(std::span(bytes).first(length), 1024)) << length;
  }
}

TEST(Frame, EveryBitFlipIsRefused) {
  const auto good = sample(16);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
    EXPECT_FALSE(decode_frame(bytes, 1024)) << "bit " << bit;
  }
}

TEST(Frame, TrailingBytesAreRefused) {
  auto bytes = sample(16);
  bytes.push_back(std::byte{0});
  EXPECT_EQ(decode_frame(bytes, 1024).error().code, ErrorCode::kCorruption);
}

TEST(Frame, PayloadOverTheLimitIsRefusedByItsHeader) {
  const auto bytes = sample(100);
  EXPECT_TRUE(decode_frame(bytes, 100));
  const auto refused = decode_frame(bytes, 99);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidInput);
  EXPECT_NE(refused.error().message.find("99"), std::string::npos);
}

TEST(Frame, OtherVersionIsNamed) {
  auto bytes = sample(0);
  bytes[4] = std::byte{9};
  const auto refused = decode_frame(bytes, 100);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("version 9"), std::string::npos);
}

TEST(Frame, UnknownTypeAndFlagsAreRefused) {
  FrameHeader header;
  header.type = static_cast<MessageType>(999);
  EXPECT_FALSE(decode_frame(encode_frame(header, {}), 100));
  header.type = MessageType::kPing;
  header.flags = 2;
  EXPECT_FALSE(decode_frame(encode_frame(header, {}), 100));
}

}  // namespace
}  // namespace prosodia::protocol
