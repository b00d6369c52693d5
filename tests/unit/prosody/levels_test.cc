#include "data/prosody/levels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "data/prosody/calibration.h"
#include "data/prosody/levels_json.h"

namespace prosodia {
namespace {

using ::testing::HasSubstr;

TEST(Levels, VocabularyIsConsistent) {
  std::set<std::string_view> names;
  for (Attribute attribute : kAttributes) {
    EXPECT_TRUE(names.insert(attribute_name(attribute)).second);
    EXPECT_EQ(attribute_from_name(attribute_name(attribute)), attribute);
    EXPECT_EQ(attribute_words(attribute).empty(), false);
    std::set<std::string_view> reachable;
    for (const LevelWord& word : level_words(attribute)) {
      EXPECT_TRUE(is_level(attribute, word.level)) << word.word;
      reachable.insert(word.level);
    }
    EXPECT_EQ(reachable.size(), level_names(attribute).size())
        << "a level without a word: " << attribute_name(attribute);
  }
  EXPECT_EQ(attribute_from_name("loudness"), std::nullopt);
  EXPECT_FALSE(is_level(Attribute::kSpeed, "high"));
}

TEST(Levels, FirstMatchIsTheLongestWord) {
  for (Attribute attribute : kAttributes) {
    const auto words = level_words(attribute);
    for (size_t i = 0; i < words.size(); ++i) {
      for (size_t j = i + 1; j < words.size(); ++j) {
        if (words[i].level == words[j].level) continue;
        EXPECT_FALSE(words[j].word.size() > words[i].word.size() &&
                     words[j].word.starts_with(std::string(words[i].word) + "-"))
            << words[i].word << " hides " << words[j].word;
      }
    }
  }
}

TEST(Levels, JsonRoundTrip) {
  ProsodyLevels levels;
  levels.pitch = "high";
  levels.intonation = "rising-falling";
  levels.stress = "never again";
  const auto json = levels_to_json(levels);
  EXPECT_EQ(json.size(), 3u);
  EXPECT_EQ(*levels_from_json(json), levels);
  EXPECT_EQ(*levels_from_json(nlohmann::json::parse(R"({"pitch":null,"other":7})")), ProsodyLevels{});
}

TEST(Levels, JsonErrorsNameTheKey) {
  const auto error = [](const char* text) { return levels_from_json(nlohmann::json::parse(text)).error().message; };
  EXPECT_THAT(error(R"({"speed":"high"})"), HasSubstr("\"speed\" is \"high\"; expected one of: slow, normal, fast"));
  EXPECT_THAT(error(R"({"pitch":3})"), HasSubstr("\"pitch\" must be a string"));
  EXPECT_THAT(error(R"([1])"), HasSubstr("must be an object"));
}

ProsodyMeasure with_pitch(float hz) {
  ProsodyMeasure measure;
  measure.f0_mean_hz = hz;
  return measure;
}

TEST(Calibration, ThirdsByDefault) {
  std::vector<ProsodyMeasure> measures;
  for (int i = 0; i < 90; ++i) measures.push_back(with_pitch(100.0f + static_cast<float>(i)));
  std::vector<const ProsodyMeasure*> pointers;
  for (const auto& measure : measures) pointers.push_back(&measure);
  const Calibration calibration = calibrate(pointers, {});
  ASSERT_TRUE(calibration.pitch_hz.valid);
  EXPECT_FLOAT_EQ(calibration.pitch_hz.low_below, 129.5f);
  EXPECT_FLOAT_EQ(calibration.pitch_hz.high_above, 159.5f);
  EXPECT_FALSE(calibration.energy_dbfs.valid);
  EXPECT_EQ(to_levels(measures[0], calibration).pitch, "low");
  EXPECT_EQ(to_levels(measures[45], calibration).pitch, "normal");
  EXPECT_EQ(to_levels(measures[89], calibration).pitch, "high");
  EXPECT_EQ(to_levels(measures[0], calibration).energy, "");
  EXPECT_EQ(to_levels(ProsodyMeasure{}, calibration).pitch, "");
}

// 150 Hz is high for him and low for her; a speaker with too little data is judged by gender, else by the corpus.
TEST(Calibration, IsPerSpeakerWithFallbacks) {
  std::vector<ProsodyMeasure> measures;
  std::vector<CalibrationTable::Item> items;
  measures.reserve(200);
  for (int i = 0; i < 60; ++i) {
    measures.push_back(with_pitch(90.0f + static_cast<float>(i)));
    items.push_back({"him", "male", &measures.back()});
    measures.push_back(with_pitch(150.0f + static_cast<float>(i)));
    items.push_back({"her", "female", &measures.back()});
  }
  measures.push_back(with_pitch(151.0f));
  items.push_back({"seldom", "female", &measures.back()});
  const CalibrationTable table = CalibrationTable::build(items, {});
  EXPECT_EQ(to_levels(with_pitch(150.0f), table.lookup("him", "male")).pitch, "high");
  EXPECT_EQ(to_levels(with_pitch(150.0f), table.lookup("her", "female")).pitch, "low");
  EXPECT_EQ(to_levels(with_pitch(150.0f), table.lookup("seldom", "female")).pitch, "low");
  EXPECT_EQ(to_levels(with_pitch(150.0f), table.lookup("stranger", "")).pitch, "normal");
}

TEST(Calibration, SharesComeFromControlWhereItIsKnown) {
  std::vector<ProsodyMeasure> measures;
  std::vector<ProsodyLevels> controlled(50);
  for (int i = 0; i < 50; ++i) {
    measures.push_back(with_pitch(i < 40 ? 100.0f + static_cast<float>(i) : 300.0f));
    controlled[static_cast<size_t>(i)].pitch = i < 5 ? "low" : i < 40 ? "normal" : "high";
  }
  std::vector<CalibrationTable::Item> items;
  for (size_t i = 0; i < measures.size(); ++i) items.push_back({"s", "male", &measures[i], &controlled[i]});
  const CalibrationTable table = CalibrationTable::build(items, {});
  for (size_t i = 0; i < measures.size(); ++i) {
    EXPECT_EQ(to_levels(measures[i], table.lookup("s", "male")).pitch, controlled[i].pitch) << i;
  }
}

}  // namespace
}  // namespace prosodia
