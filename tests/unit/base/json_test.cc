#include "data/base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/base/json_difference.h"

namespace prosodia {
namespace {

using ::testing::HasSubstr;

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
}

TEST(ParseJson, ReadsValuesAndNamesWhatIsWrong) {
  EXPECT_EQ(*parse_json(R"({"a":[1,"x"]})", "a.json"), (nlohmann::json{{"a", {1, "x"}}}));
  const auto bad = parse_json("{\"a\":}", "a.json");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(bad.error().message, HasSubstr("a.json: not valid JSON"));
  EXPECT_THAT(bad.error().message, HasSubstr("line 1, column 6"));
  EXPECT_FALSE(parse_json("\"\xFF\"", "a.json"));  // not UTF-8
  EXPECT_FALSE(parse_json("", "a.json"));
}

TEST(ParseJson, NestingIsBounded) {
  EXPECT_TRUE(parse_json(nested(kMaxJsonDepth), "a.json"));
  EXPECT_THAT(parse_json(nested(kMaxJsonDepth + 1), "a.json").error().message, HasSubstr("nested 65 levels"));
  EXPECT_FALSE(parse_json(std::string(2'000'000, '['), "a.json"));  // would overflow the stack of a recursive writer
  // Brackets in strings, also behind escaped quotes, do not count.
  EXPECT_TRUE(parse_json("\"\\\"" + std::string(1000, '[') + "\"", "a.json"));
  EXPECT_TRUE(parse_json("[[],[],[]]", "a.json"));
}

TEST(ParseJsonObject, RefusesOtherValues) {
  EXPECT_TRUE(parse_json_object("{}", "a.json"));
  EXPECT_THAT(parse_json_object("[1]", "a.json").error().message, HasSubstr("expected a JSON object, found array"));
}

TEST(Brief, IsOneShortLine) {
  EXPECT_EQ(brief({{"a", "\n"}}), R"({"a":"\n"})");
  EXPECT_LT(brief(std::string(10'000, 'x')).size(), 300u);
  EXPECT_NO_THROW((void)brief("\xFF"));
}

TEST(FirstDifferingKey, NamesTheFirstKeyThatChangedOrIsNew) {
  const nlohmann::json before = {{"a", 1}, {"b", "x"}, {"gone", true}};
  EXPECT_FALSE(first_differing_key(before, {{"a", 1}, {"b", "x"}}));  // what is no longer asked for does not count
  const auto changed = first_differing_key(before, {{"a", 1}, {"b", "y"}, {"c", 2}});
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->key + " " + changed->before + " " + changed->now, R"(b "x" "y")");
  const auto added = first_differing_key(before, {{"a", 1}, {"c", 2}});
  ASSERT_TRUE(added);
  EXPECT_EQ(added->key + " " + added->before + " " + added->now, "c null 2");
  ASSERT_TRUE(first_differing_key(nullptr, {{"a", 1}}));
  EXPECT_EQ(first_differing_key(nullptr, {{"a", 1}})->key, "record");
}

}  // namespace
}  // namespace prosodia
