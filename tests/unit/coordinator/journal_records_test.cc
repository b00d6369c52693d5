#include "orchestrator/coordinator/journal_records.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/samples.h"

namespace prosodia {
namespace {

using protocol::testing::digest;

std::vector<core::Record> every_record() {
  protocol::StepDone done{StepId(4), PolicyVersion(5), digest(1), digest(2), -0.125, {{"kl", 0.5}}};
  return {core::RunCreated{1, RunId(9), digest(1), digest(2), 42, 8, 16, 1},
          core::LifeStarted{3},
          core::InitialWeights{digest(3)},
          core::GateDecided{StepId(7), 0.25},
          core::GroupSampled{protocol::testing::rollout_result(), "rollout-1"},
          core::GroupScored{protocol::testing::reward_result(), 2, "reward-0"},
          core::StepBatched{StepId(4), digest(4)},
          core::StepTrained{done, digest(5), {1, 2, 3, 4, 5}},
          core::CheckpointSaved{PolicyVersion(5), "RUN/checkpoints/step-000005"},
          core::RunComplete{100, digest(6)},
          core::StepsFolded{StepId(3), {{digest(1), digest(2), -0.5, 1, 0.25, 77, digest(3), {1, 2, 3, 4, 5}}, {}}}};
}

TEST(JournalRecords, RoundTripAndTypesAreFrozen) {
  uint16_t type = 0;
  for (const core::Record& record : every_record()) {
    const EncodedRecord encoded = encode_record(record);
    EXPECT_EQ(encoded.type, ++type);
    const auto decoded = decode_record(encoded.type, encoded.payload);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->index(), record.index());
    EXPECT_EQ(encode_record(*decoded).payload, encoded.payload);
  }
}

TEST(JournalRecords, TruncationsTrailingBytesAndUnknownTypesAreCorruption) {
  for (const core::Record& record : every_record()) {
    EncodedRecord encoded = encode_record(record);
    for (size_t length = 0; length < encoded.payload.size(); ++length) {
      EXPECT_FALSE(decode_record(encoded.type, std::span(encoded.payload).first(length))) << encoded.type;
    }
    encoded.payload.push_back(std::byte{0});
    EXPECT_FALSE(decode_record(encoded.type, encoded.payload));
  }
  EXPECT_EQ(decode_record(99, {}).error().code, ErrorCode::kCorruption);
}

TEST(JournalRecords, BitFlipsNeverCrash) {
  for (const core::Record& record : every_record()) {
    const EncodedRecord good = encode_record(record);
    for (size_t bit = 0; bit < good.payload.size() * 8; ++bit) {
      auto payload = good.payload;
      payload[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
      if (const auto decoded = decode_record(good.type, payload)) {
        EXPECT_EQ(encode_record(*decoded).payload, payload) << good.type;
      }
    }
  }
}

}  // namespace
}  // namespace prosodia
