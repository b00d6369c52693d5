#include "data/importers/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace prosodia {
namespace {

using ::testing::HasSubstr;

std::vector<PlannedUtterance> speakers(int count, int each) {
  std::vector<PlannedUtterance> utterances;
  for (int s = 0; s < count; ++s) {
    for (int u = 0; u < each; ++u) {
      PlannedUtterance planned;
      planned.info.id = fmt::format("s{:02}_{}", s, u);
      planned.info.speaker = fmt::format("s{:02}", s);
      planned.info.gender = s % 2 == 0 ? "female" : "male";
      utterances.push_back(planned);
    }
  }
  return utterances;
}

struct Outcome {
  std::map<std::string, std::set<std::string>> speakers;  // split -> speakers
  std::map<std::string, int> men, women;                  // split -> utterances
};

Outcome split(std::vector<PlannedUtterance> utterances, const SplitOptions& options) {
  const auto notes = assign_splits(utterances, options);
  EXPECT_TRUE(notes) << notes.error().message;
  Outcome outcome;
  for (const PlannedUtterance& planned : utterances) {
    outcome.speakers[planned.info.split].insert(planned.info.speaker);
    ++(planned.info.gender == "male" ? outcome.men : outcome.women)[planned.info.split];
  }
  return outcome;
}

TEST(Splits, NoSpeakerIsInTwoPartsAndSharesAreMet) {
  const Outcome outcome = split(speakers(20, 6), {});
  std::set<std::string> all;
  for (const auto& [name, members] : outcome.speakers) {
    for (const std::string& member : members) EXPECT_TRUE(all.insert(member).second) << member;
  }
  EXPECT_EQ(all.size(), 20u);
  EXPECT_EQ(outcome.speakers.at("train").size(), 16u);
  EXPECT_EQ(outcome.speakers.at("validation").size(), 2u);
  EXPECT_EQ(outcome.speakers.at("test").size(), 2u);
  EXPECT_EQ(outcome.men.at("test"), outcome.women.at("test"));
  EXPECT_EQ(outcome.men.at("validation"), outcome.women.at("validation"));
}

TEST(Splits, FewSpeakersStillFillEveryPart) {
  const Outcome outcome = split(speakers(4, 10), {});
  EXPECT_EQ(outcome.speakers.at("train").size(), 2u);
  EXPECT_EQ(outcome.speakers.at("validation").size(), 1u);
  EXPECT_EQ(outcome.speakers.at("test").size(), 1u);
  const Outcome two = split(speakers(2, 10), {});
  EXPECT_EQ(two.speakers.at("train").size(), 1u);
  EXPECT_EQ(two.speakers.at("test").size(), 1u);
  EXPECT_EQ(split(speakers(4, 10), {.shares = {1, 0, 0}}).speakers.at("train").size(), 4u);
}

TEST(Splits, TheSeedDecidesAndTheOrderOfFilesDoesNot) {
  auto shuffled = speakers(12, 3);
  std::reverse(shuffled.begin(), shuffled.end());
  const auto once = split(speakers(12, 3), {.seed = 7});
  EXPECT_EQ(once.speakers, split(shuffled, {.seed = 7}).speakers);
  int same = 0;
  for (uint64_t seed = 0; seed < 8; ++seed) same += split(speakers(12, 3), {.seed = seed}).speakers == once.speakers;
  EXPECT_LT(same, 4);
}

TEST(Splits, NamedSpeakersAndTheRestToTrain) {
  const Outcome outcome = split(speakers(5, 2), {.validation_speakers = {"s01"}, .test_speakers = {"s03", "s04"}});
  EXPECT_EQ(outcome.speakers.at("test"), (std::set<std::string>{"s03", "s04"}));
  EXPECT_EQ(outcome.speakers.at("validation"), (std::set<std::string>{"s01"}));
  EXPECT_EQ(outcome.speakers.at("train").size(), 2u);
}

TEST(Splits, AGivenSplitStaysAndTakesItsSpeakerAlong) {
  auto utterances = speakers(6, 4);
  utterances[0].info.split = "test";  // of s00
  ASSERT_TRUE(assign_splits(utterances, {}));
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(utterances[i].info.split, "test");
}

TEST(Splits, ThousandsWithoutSpeakersAreSplitOneByOne) {
  auto utterances = speakers(1, 30000);
  for (PlannedUtterance& planned : utterances) planned.info.speaker.clear();
  const auto notes = assign_splits(utterances, {});
  ASSERT_TRUE(notes);
  ASSERT_EQ(notes->size(), 1u);
  EXPECT_THAT((*notes)[0], HasSubstr("30000 utterances have no speaker"));
  int test = 0;
  for (const PlannedUtterance& planned : utterances) test += planned.info.split == "test";
  EXPECT_NEAR(test, 3000, 2);
}

TEST(Splits, RefusesWhatCannotBe) {
  const auto error = [](const SplitOptions& options) {
    auto utterances = speakers(3, 2);
    const auto notes = assign_splits(utterances, options);
    return notes ? "accepted" : notes.error().message;
  };
  EXPECT_THAT(error({.shares = {0.8, 0.1, 0.2}}), HasSubstr("the sum is 1.1"));
  EXPECT_THAT(error({.shares = {1.2, -0.1, -0.1}}), HasSubstr("1.2 is not from 0 to 1"));
  EXPECT_THAT(error({.test_speakers = {"bob"}}), HasSubstr("no speaker \"bob\"; the speakers are s00, s01, s02"));
  EXPECT_THAT(error({.validation_speakers = {"s01"}, .test_speakers = {"s01"}}), HasSubstr("both"));
}

}  // namespace
}  // namespace prosodia
