// Tables and text as releases have them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/importers/csv.h"
#include "data/importers/label_map.h"
#include "data/importers/text.h"

namespace prosodia {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Csv, QuotedFieldsHoldSeparatorsQuotesAndLineBreaks) {
  const auto table = parse_csv("a,b\r\n\"x, y\",\"say \"\"hi\"\"\"\r\n\n\"two\nlines\",\n,last", "t.csv");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_THAT(table->header, ElementsAre("a", "b"));
  ASSERT_EQ(table->rows.size(), 3u);
  EXPECT_THAT(table->rows[0].fields, ElementsAre("x, y", "say \"hi\""));
  EXPECT_THAT(table->rows[1].fields, ElementsAre("two\nlines", ""));
  EXPECT_THAT(table->rows[2].fields, ElementsAre("", "last"));
  EXPECT_EQ(table->rows[1].line, 4u);
  EXPECT_EQ(table->rows[2].line, 6u);
}

TEST(Csv, RowsOfAnotherLengthAreSetApart) {
  const auto table = parse_csv("a,b\n1,2\n1\n1,2,3\n3,4\n", "t.csv");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->rows.size(), 2u);
  ASSERT_EQ(table->malformed.size(), 2u);
  EXPECT_EQ(table->malformed[1].line, 4u);
}

TEST(Csv, WhatCannotBeReadIsNamed) {
  EXPECT_THAT(parse_csv("a,b\n1,\"open\n2,3", "t.csv").error().message, HasSubstr("t.csv:2: a quote is not closed"));
  EXPECT_THAT(parse_csv("a,b\n\"x\"y,2\n", "t.csv").error().message, HasSubstr("t.csv:2: text after a closing quote"));
  EXPECT_THAT(parse_csv("", "t.csv").error().message, HasSubstr("empty"));
  EXPECT_THAT(parse_csv("a,b\n", "t.csv")->column("c", "t.csv").error().message, HasSubstr("the columns are a, b"));
  EXPECT_EQ(*parse_csv("a,b\n", "t.csv")->column("B", "t.csv"), 1u);
}

TEST(Text, Windows1252AndItsMisreadings) {
  EXPECT_EQ(to_utf8("he\x92s"), "he’s");      // Windows-1252
  EXPECT_EQ(to_utf8("he\xC2\x92s"), "he’s");  // the same, once decoded as Latin-1
  EXPECT_EQ(to_utf8("he’s"), "he’s");         // UTF-8
  EXPECT_EQ(to_utf8("\xEF\xBB\xBFnat\xFCrlich"), "natürlich");
  EXPECT_EQ(to_utf8("\x81"), "\xEF\xBF\xBD");  // not assigned
  EXPECT_EQ(clean_transcript("  he’s\t here \xC2\xA0 now\n"), "he's here now");
}

TEST(LabelMap, OverridesBySourceOrMeaning) {
  constexpr LabelRule kRules[] = {{"Wut", "anger", "angry"}, {"Langeweile", "boredom", "", "none of the nine"}};
  const std::vector<std::string> overrides = {"boredom=neutral", "WUT=-"};
  const auto map = LabelMap::make(kRules, overrides, false);
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->emotion("Langeweile"), "neutral");
  EXPECT_EQ(map->emotion("Wut"), std::nullopt);
  EXPECT_EQ(map->lines()[0].reason, "by --label_map");
  EXPECT_EQ(LabelMap::make(kRules, {}, false)->emotion("Wut"), "angry");
  EXPECT_FALSE(map->knows("Freude"));
}

TEST(LabelMap, OneMeaningMayStandForTwoLabels) {
  constexpr LabelRule kRules[] = {{"ANG", "anger", "angry"}, {"A", "anger", "angry"}};
  const std::vector<std::string> overrides = {"anger=contempt or disgust"};
  const auto map = LabelMap::make(kRules, overrides, false);
  ASSERT_TRUE(map);
  EXPECT_EQ(map->emotion("ANG"), "contempt or disgust");
  EXPECT_EQ(map->emotion("A"), "contempt or disgust");
}

TEST(LabelMap, RefusesWhatItDoesNotKnow) {
  constexpr LabelRule kRules[] = {{"Wut", "anger", "angry"}};
  const auto error = [&](const std::string& entry, bool open = false) {
    const std::vector<std::string> overrides = {entry};
    const auto map = LabelMap::make(kRules, overrides, open);
    return map ? "accepted" : map.error().message;
  };
  EXPECT_THAT(error("Wut"), HasSubstr("expected LABEL=EMOTION"));
  EXPECT_THAT(error("Wut=furious"), HasSubstr("'furious' is no emotion; expected neutral, happy"));
  EXPECT_THAT(error("calm=neutral"), HasSubstr("no label 'calm'; it has Wut (anger)"));
  EXPECT_EQ(error("calm=neutral", true), "accepted");
  EXPECT_THAT(error("=neutral", true), HasSubstr("no label ''"));
}

}  // namespace
}  // namespace prosodia
