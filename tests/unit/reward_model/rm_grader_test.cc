#include "workers/reward/rm_grader.h"

#include <ATen/ATen.h>

#include <bit>
#include <cmath>
#include <set>

#include "tests/unit/reward_model/fixture.h"

namespace prosodia {
namespace {

using namespace testing_support;

class RmGraderTest : public RewardModelTest {
 protected:
  std::vector<ReasoningScore> grade(const std::vector<EncodedPrompt>& prompts, const RmGraderOptions& options,
                                    const std::stop_token& stop = {}) {
    std::vector<const EncodedPrompt*> pointers;
    for (const EncodedPrompt& one : prompts) pointers.push_back(&one);
    return RmGrader(*model_, slots_, options).grade(pointers, stop);
  }
  std::vector<EncodedPrompt> prompts() const {
    std::vector<EncodedPrompt> all;
    for (const std::string& response : kResponses) all.push_back(prompt(response));
    return all;
  }

  std::vector<float> logits_after(const EncodedPrompt& prompt, const std::vector<int32_t>& ids) const {
    const at::NoGradGuard no_grad;
    PackedBatch batch;
    for (size_t i = 0; i < ids.size(); ++i) {
      batch.token_ids.push_back(ids[i]);
      batch.positions.push_back(static_cast<int64_t>(i));
    }
    batch.segments.push_back({.begin = 0, .end = static_cast<int64_t>(ids.size())});
    for (const auto& clip : prompt.clips) batch.clips.push_back(clip.get());
    const at::Tensor h = model_->hidden(batch).narrow(0, static_cast<int64_t>(ids.size()) - 1, 1);
    const at::Tensor logits = model_->logits(h).contiguous();
    return {logits.data_ptr<float>(), logits.data_ptr<float>() + logits.numel()};
  }

  // The whole definition, one response and one slot at a time, without a cache.
  Criteria by_definition(const EncodedPrompt& prompt, RmScore kind) const {
    std::vector<int32_t> ids = prompt.token_ids;
    Criteria criteria{};
    for (size_t slot = 0; slot < kNumCriteria; ++slot) {
      ids.insert(ids.end(), slots_.forced[slot].begin(), slots_.forced[slot].end());
      const std::vector<float> logits = logits_after(prompt, ids);
      double weighted = 0, sum = 0;
      size_t best = 0;
      for (size_t d = 0; d < slots_.digit_ids.size(); ++d) {
        const auto logit = [&](size_t digit) { return logits[static_cast<size_t>(slots_.digit_ids[digit])]; };
        const double p = std::exp(static_cast<double>(logit(d)));
        sum += p;
        weighted += p * static_cast<double>(d + 1);
        if (logit(d) > logit(best)) best = d;
      }
      criteria[slot] = kind == RmScore::kArgmax ? static_cast<double>(best + 1) : weighted / sum;
      ids.push_back(slots_.digit_ids[best]);
    }
    return criteria;
  }
};

void expect_same_bits(const ReasoningScore& a, const ReasoningScore& b) {
  ASSERT_EQ(a.status, b.status) << a.detail << " / " << b.detail;
  EXPECT_EQ(a.detail, b.detail);
  for (size_t j = 0; j < kNumCriteria; ++j)
    EXPECT_EQ(std::bit_cast<uint64_t>(a.criteria[j]), std::bit_cast<uint64_t>(b.criteria[j])) << "criterion " << j;
}

TEST_F(RmGraderTest, GradesAreExpectedOrLikeliestDigitsAfterTheForcedAnswer) {
  for (const RmScore kind : {RmScore::kExpected, RmScore::kArgmax}) {
    const auto all = prompts();
    const auto scores = grade(all, {.score = kind, .min_digit_mass = 0});
    std::set<double> distinct;
    for (size_t i = 0; i < all.size(); ++i) {
      ASSERT_EQ(scores[i].status, ScoreStatus::kValue) << scores[i].detail;
      const Criteria expected = by_definition(all[i], kind);
      for (size_t j = 0; j < kNumCriteria; ++j) {
        EXPECT_NEAR(scores[i].criteria[j], expected[j], 1e-12) << "response " << i << ", criterion " << j;
        distinct.insert(scores[i].criteria[j]);
      }
    }
    EXPECT_GT(distinct.size(), kind == RmScore::kExpected ? 12u : 2u) << "the model says something";
  }
}

TEST_F(RmGraderTest, AResponsesGradesDoNotDependOnItsCompanyToTheBit) {
  const auto all = prompts();
  const RmGraderOptions options{.min_digit_mass = 0};
  const auto together = grade(all, options);
  const auto by_two = grade(all, {.min_digit_mass = 0, .max_rows = 2});
  const auto cut = grade(all, {.min_digit_mass = 0, .max_prefill_tokens = 70});
  const std::vector<EncodedPrompt> reversed(all.rbegin(), all.rend());
  const auto backwards = grade(reversed, options);
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(testing::Message() << "response " << i);
    const auto alone = grade({all[i]}, options);
    expect_same_bits(together[i], alone[0]);
    expect_same_bits(together[i], by_two[i]);
    expect_same_bits(together[i], cut[i]);
    expect_same_bits(together[i], backwards[all.size() - 1 - i]);
  }
  for (size_t j = 0; j < kNumCriteria; ++j) EXPECT_EQ(together[0].criteria[j], together[2].criteria[j]);
}

TEST_F(RmGraderTest, TensorsGiveTheSameGrades) {
  const auto all = prompts();
  const auto raw = grade(all, {.min_digit_mass = 0});
  const auto tensors = grade(all, {.min_digit_mass = 0, .max_rows = 6, .backend = EngineBackend::kTensors});
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t j = 0; j < kNumCriteria; ++j) EXPECT_NEAR(raw[i].criteria[j], tensors[i].criteria[j], 1e-3);
}

TEST_F(RmGraderTest, TooLittleMassOnTheDigitsIsUnparsableNamingTheSlot) {
  const auto scores = grade({prompt("x")}, {.min_digit_mass = 0.999});
  EXPECT_EQ(scores[0].status, ScoreStatus::kUnparsable);
  EXPECT_TRUE(scores[0].detail.starts_with("factual_alignment: the digits 1 to 5 hold ")) << scores[0].detail;
  EXPECT_NE(scores[0].detail.find("expected at least 0.999"), std::string::npos);
}

TEST_F(RmGraderTest, WhatIsNotFiniteIsAnError) {
  const at::NoGradGuard no_grad;
  for (NamedParameter& parameter : model_->parameters())
    if (parameter.name.ends_with("layers.1.mlp.down_proj.weight")) parameter.tensor.fill_(NAN);
  const auto scores = grade({prompt("x"), prompt("y")}, {.min_digit_mass = 0});
  for (const ReasoningScore& score : scores) {
    EXPECT_EQ(score.status, ScoreStatus::kError);
    EXPECT_EQ(score.detail, "factual_alignment: a logit is not finite");
  }
}

TEST_F(RmGraderTest, TooLongIsAnErrorNamingLengthsAndTheOthersAreGraded) {
  std::string longest;
  for (int i = 0; i < 600; ++i) longest += "qz";  // no merges
  const std::vector<EncodedPrompt> all = {prompt("x"), prompt(longest), prompt("y")};
  const auto scores = grade(all, {.min_digit_mass = 0});
  EXPECT_EQ(scores[1].status, ScoreStatus::kError);
  const std::string tokens = std::to_string(all[1].token_ids.size()) + " tokens";
  EXPECT_NE(scores[1].detail.find(tokens), std::string::npos) << scores[1].detail;
  EXPECT_NE(scores[1].detail.find("512 positions"), std::string::npos) << scores[1].detail;
  expect_same_bits(scores[0], grade({all[0]}, {.min_digit_mass = 0})[0]);
  expect_same_bits(scores[2], grade({all[2]}, {.min_digit_mass = 0})[0]);
}

TEST_F(RmGraderTest, APromptThatJustFitsIsGraded) {
  const EncodedPrompt empty = prompt("");
  const int64_t room = 512 - static_cast<int64_t>(empty.token_ids.size()) - slots_.length();
  std::string filler(static_cast<size_t>(room - 4), 'z');
  EncodedPrompt last = prompt(filler);
  while (static_cast<int64_t>(last.token_ids.size()) + slots_.length() < 512) last = prompt(filler += "z");
  ASSERT_EQ(static_cast<int64_t>(last.token_ids.size()) + slots_.length(), 512) << room;
  EXPECT_EQ(grade({last}, {.min_digit_mass = 0})[0].status, ScoreStatus::kValue);
  EXPECT_EQ(grade({prompt(filler + "z")}, {.min_digit_mass = 0})[0].status, ScoreStatus::kError);
}

TEST_F(RmGraderTest, AStopIsATimeout) {
  std::stop_source source;
  source.request_stop();
  for (const ReasoningScore& score : grade({prompt("x"), prompt("y")}, {.min_digit_mass = 0}, source.get_token()))
    EXPECT_EQ(score.status, ScoreStatus::kTimeout);
}

TEST_F(RmGraderTest, NothingToGradeIsNothing) { EXPECT_TRUE(grade({}, {}).empty()); }

TEST(ReadSlot, MassExpectationAndLikeliestOfTheDigits) {
  const std::array<int32_t, 5> digits = {1, 2, 3, 4, 5};
  // Probabilities .5 for token 0, then .05 .1 .2 .1 .05.
  std::vector<float> logits;
  for (const double p : {0.5, 0.05, 0.1, 0.2, 0.1, 0.05}) logits.push_back(static_cast<float>(std::log(p) + 7));
  SlotReading reading = read_slot(logits, digits);
  EXPECT_TRUE(reading.finite);
  EXPECT_NEAR(reading.digit_mass, 0.5, 1e-6);
  EXPECT_NEAR(reading.expected, 3, 1e-6);
  EXPECT_EQ(reading.likeliest, 3);
  logits[5] = logits[3];
  logits[5] += 1;
  reading = read_slot(logits, digits);
  EXPECT_EQ(reading.likeliest, 5);
  EXPECT_GT(reading.expected, 3.8);
  logits.assign(6, -100);
  logits[0] = 60;  // the digits vanish
  EXPECT_NEAR(read_slot(logits, digits).digit_mass, 0, 1e-60);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    logits[2] = bad;
    EXPECT_FALSE(read_slot(logits, digits).finite);
  }
}

}  // namespace
}  // namespace prosodia
