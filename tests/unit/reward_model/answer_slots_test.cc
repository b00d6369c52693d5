#include "workers/reward/answer_slots.h"

#include "tests/unit/reward_model/fixture.h"

namespace prosodia {
namespace {

using namespace testing_support;

class AnswerSlotsTest : public RewardModelTest {};

TEST_F(AnswerSlotsTest, ForcedPartsAndDigitsSpellTheAnswer) {
  for (const RmScores scores : {RmScores{4, 2, 5, 3}, RmScores{1, 1, 1, 5}}) {
    std::vector<int32_t> ids;
    for (size_t j = 0; j < kNumRmScores; ++j) {
      ids.insert(ids.end(), slots_.forced[j].begin(), slots_.forced[j].end());
      ids.push_back(slots_.digit_ids[static_cast<size_t>(scores[j] - kMinRmScore)]);
    }
    EXPECT_EQ(static_cast<int64_t>(ids.size()), slots_.length());
    EXPECT_EQ(processor_->tokenizer().decode(ids, true) + "}", rm_answer(scores));
  }
}

TEST_F(AnswerSlotsTest, DigitTargetsAreTheFourGradesAlone) {
  Sample sample = row("The number 3 is not a grade.");
  sample.messages.push_back({"assistant", rm_answer({4, 2, 5, 3})});
  EncodedPrompt encoded = value_of(processor_->encode(sample, false));
  ok(keep_digit_targets(slots_, sample.origin, encoded));
  std::vector<int32_t> kept;
  for (size_t i = 0; i < encoded.token_ids.size(); ++i)
    if (encoded.assistant_mask[i]) kept.push_back(encoded.token_ids[i]);
  EXPECT_EQ(processor_->tokenizer().decode(kept, true), "4253");

  sample.messages.back().content = "I give it 4 of 5.";
  EncodedPrompt other = value_of(processor_->encode(sample, false));
  const Status status = keep_digit_targets(slots_, sample.origin, other);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("holds 2 grades, expected 4"), std::string::npos) << status.error().message;
}

}  // namespace
}  // namespace prosodia
