#include "orchestrator/protocol/messages.h"

#include <gtest/gtest.h>

#include <cstring>

#include "data/base/bytes.h"
#include "tests/unit/protocol/samples.h"

namespace prosodia::protocol {
namespace {

// Messages have no operator==; equal encodings of a decoded message mean that every field came through.
TEST(Messages, RoundTripOfEveryMessage) {
  testing::for_each_message([]<class M>(const M& message) {
    const auto bytes = encode(message);
    const auto decoded = decode<M>(bytes);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(encode(*decoded), bytes);
  });
}

TEST(Messages, EveryTruncationIsRefused) {
  testing::for_each_message([]<class M>(const M& message) {
    const auto bytes = encode(message);
    for (size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_FALSE(decode<M>(std::span(bytes).first(length)));
    }
  });
}

TEST(Messages, TrailingByteIsRefused) {
  testing::for_each_message([]<class M>(const M& message) {
    auto bytes = encode(message);
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(decode<M>(bytes));
  });
}

// Without the frame's CRC in front: a flipped bit may change a value, but what decodes must encode to the same bytes.
TEST(Messages, EveryBitFlipIsRefusedOrAValue) {
  testing::for_each_message([]<class M>(const M& message) {
    const auto good = encode(message);
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      auto bytes = good;
      bytes[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      if (const auto decoded = decode<M>(bytes)) {
        EXPECT_EQ(encode(*decoded), bytes) << "bit " << bit;
      }
    }
  });
}

TEST(Messages, FieldsSurvive) {
  const auto hello = decode<Hello>(encode(testing::hello()));
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->name, "learner-ä");
  EXPECT_EQ(hello->role, Role::kLearner);
  EXPECT_EQ(hello->served.at(0).digest, testing::digest(21));
  const auto result = decode<RolloutResult>(encode(testing::rollout_result()));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->completions.at(0).token_ids, (std::vector<int32_t>{1, 2, -3}));
  EXPECT_EQ(std::signbit(result->completions.at(0).logprobs.at(2)), true);
  EXPECT_EQ(result->completions.at(0).finish_reason, FinishReason::kLength);
}

TEST(Messages, HugeCountIsRefusedWithoutAllocating) {
  ByteWriter writer;
  writer.put(uint64_t{7});           // group
  writer.put(uint64_t{3});           // version
  writer.put(uint32_t{42});          // prompt tokens
  writer.put(uint32_t{0xFFFFFFFF});  // completions
  EXPECT_FALSE(decode<RolloutResult>(writer.view()));
  ByteWriter array;
  array.put(uint64_t{7});
  array.put(uint64_t{3});
  array.put(uint32_t{42});
  array.put(uint32_t{1});
  array.put(uint32_t{0x3FFFFFFF});  // token count of the first completion
  array.put(uint64_t{0});
  EXPECT_FALSE(decode<RolloutResult>(array.view()));
}

// The smallest elements: a minimum size that is set too high would refuse lists of these.
TEST(Messages, ListsOfEmptyElementsRoundTrip) {
  const auto expect_accepted = []<class M>(const M& message) {
    const auto decoded = decode<M>(encode(message));
    ASSERT_TRUE(decoded) << decoded.error().message;
  };
  Hello hello;
  hello.resumable.resize(100);
  hello.served.resize(100);
  expect_accepted(hello);
  expect_accepted(Heartbeat{std::vector<Heartbeat::Lease>(100)});
  RolloutResult rollout;
  rollout.completions.resize(100);
  expect_accepted(rollout);
  RewardResult reward;
  reward.responses.resize(100);
  expect_accepted(reward);
  StepDone done;
  done.metrics.resize(100);
  expect_accepted(done);
  TaskReward task;
  task.completions.resize(100);
  expect_accepted(task);
  StepBatch batch;
  batch.groups.resize(100);
  expect_accepted(batch);
}

TEST(Messages, LogprobsMustMatchTokens) {
  ByteWriter writer;
  writer.put(uint64_t{7});
  writer.put(uint64_t{3});
  writer.put(uint32_t{42});
  writer.put(uint32_t{1});
  const std::vector<int32_t> tokens = {1, 2};
  const std::vector<float> logprobs = {-1.0f};
  writer.put_array(std::span<const int32_t>(tokens));
  writer.put_array(std::span<const float>(logprobs));
  writer.put(uint8_t{0});
  writer.put_string("x");
  writer.put(0.0);
  EXPECT_FALSE(decode<RolloutResult>(writer.view()));
}

TEST(Messages, BatchDigestIgnoresWhoAndWhen) {
  auto groups = testing::step_batch().groups;
  const Digest digest = digest_of(groups);
  groups[0].rollout.seconds = 99;
  groups[0].reward.seconds = 99;
  groups[0].reward.responses[1].detail = "other words";
  groups[0].row_json = R"({"audios":["/elsewhere/a.wav"]})";
  EXPECT_EQ(digest_of(groups), digest);
}

TEST(Messages, BatchDigestSeesEveryBitThatMatters) {
  const auto original = testing::step_batch().groups;
  const Digest digest = digest_of(original);
  const auto expect_changed = [&](auto&& change) {
    auto groups = original;
    change(groups[1]);
    EXPECT_NE(digest_of(groups), digest);
  };
  expect_changed([](BatchGroup& g) { g.seed ^= 1; });
  expect_changed([](BatchGroup& g) { g.rollout.policy_version.value ^= 1; });
  expect_changed([](BatchGroup& g) { g.rollout.completions[0].token_ids[2] ^= 1; });
  expect_changed([](BatchGroup& g) { g.rollout.completions[0].logprobs[2] = 0.0f; });  // was -0.0
  expect_changed([](BatchGroup& g) { g.rollout.completions[0].finish_reason = FinishReason::kStop; });
  expect_changed([](BatchGroup& g) { g.reward.tau = 0.5; });
  expect_changed([](BatchGroup& g) { g.reward.gate = 0.5; });
  expect_changed([](BatchGroup& g) { g.reward.responses[1].present = true; });
  expect_changed([](BatchGroup& g) { g.reward.responses[0].criteria[3] = 5; });
  expect_changed([](BatchGroup& g) { g.reward.responses[0].total += 1e-15; });
}

TEST(Messages, LongReasonsAreCutNotRefused) {
  const auto bytes = encode(Goodbye{std::string(Limits::kReasonBytes + 10, 'x')});
  const auto decoded = decode<Goodbye>(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->reason.size(), Limits::kReasonBytes);
}

}  // namespace
}  // namespace prosodia::protocol
