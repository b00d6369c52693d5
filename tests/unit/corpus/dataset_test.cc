#include "data/corpus/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/corpus/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

constexpr const char* kRow =
    R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"<audio>Why? <audio>"}],)"
    R"("audios":["a.wav","sub/C.h5#utt-1"],"solution":"happy","extra":{"k":[1,2]}})";

TEST(Dataset, ReadsRowsAndKeepsExtraKeys) {
  TempDir dir;
  write_text(dir / "d.jsonl", std::string("\xEF\xBB\xBF") + kRow + "\r\n\n  \n" + kRow + "\n");
  const auto samples = read_dataset(dir / "d.jsonl");
  ASSERT_TRUE(samples) << samples.error().message;
  ASSERT_EQ(samples->size(), 2u);
  const Sample& sample = (*samples)[1];
  EXPECT_EQ(sample.line, 4);
  EXPECT_EQ(sample.messages[1].content, "<audio>Why? <audio>");
  EXPECT_EQ(sample.audios[0], (dir / "a.wav").string());
  EXPECT_EQ(sample.audios[1], (dir / "sub/C.h5").string() + "#utt-1");
  EXPECT_EQ(sample.solution, "happy");
  EXPECT_EQ(sample.row["extra"]["k"][1], 2);
  EXPECT_FALSE(sample.ends_with_assistant());
  EXPECT_EQ(dataset_texts({sample}), (std::vector<std::string>{"Be brief.", "Why? "}));
}

TEST(Dataset, ARowThatTravelsKeepsItsFileAndLine) {
  TempDir dir;
  write_text(dir / "d.jsonl", std::string("\n") + kRow + "\n");
  const auto samples = read_dataset(dir / "d.jsonl");
  ASSERT_TRUE(samples) << samples.error().message;
  const std::string origin = (dir / "d.jsonl").string() + ":2";
  EXPECT_EQ(samples->at(0).origin, origin);
  nlohmann::json row = samples->at(0).row;
  row[kOriginKey] = origin;
  const auto travelled = parse_sample(row.dump(), dir / "elsewhere", "group 7", 1);
  ASSERT_TRUE(travelled);
  EXPECT_EQ(travelled->origin, origin);
  EXPECT_EQ(travelled->row, samples->at(0).row) << "the key does not reach the rewards";
  const auto missing = check_audio_files(*samples);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, origin + ": " + (dir / "a.wav").string() + " does not exist");
  write_text(dir / "a.wav", "");
  std::filesystem::create_directories(dir / "sub");
  write_text(dir / "sub/C.h5", "");
  EXPECT_TRUE(check_audio_files(*samples));
}

TEST(Dataset, PathsRelativeToTheFile) {
  const auto paths = [](const char* audio) {
    const auto row = fmt::format(R"({{"messages":[{{"role":"user","content":"<audio>"}}],"audios":["{}"]}})", audio);
    return parse_sample(row, "/data/sets", "f", 1)->audios.at(0);
  };
  EXPECT_EQ(paths("../c.h5#x"), "/data/c.h5#x");
  EXPECT_EQ(paths("/abs/a.wav"), "/abs/a.wav");
  EXPECT_EQ(paths("take#1/c.h5#x"), "/data/sets/take#1/c.h5#x");
  EXPECT_EQ(paths("c.h5#a/b"), "/data/sets/c.h5#a/b");
}

TEST(Dataset, ErrorsNameFileLineAndExpectation) {
  TempDir dir;
  const auto error = [&](const std::string& bad) {
    write_text(dir / "d.jsonl", std::string(kRow) + "\n" + bad + "\n");
    const auto samples = read_dataset(dir / "d.jsonl");
    EXPECT_FALSE(samples) << bad;
    if (samples) return std::string();
    EXPECT_EQ(samples.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(samples.error().message, HasSubstr((dir / "d.jsonl").string() + ":2: ")) << bad;
    return samples.error().message;
  };
  EXPECT_THAT(error("{\"messages\":"), HasSubstr("not valid JSON: parse error at line 1, column 13"));
  EXPECT_THAT(error("[1,2]"), HasSubstr("expected a JSON object, found array"));
  EXPECT_THAT(error("{}"), HasSubstr("non-empty array \"messages\""));
  EXPECT_THAT(error(R"({"messages":[]})"), HasSubstr("non-empty array \"messages\""));
  EXPECT_THAT(error(R"({"messages":["hi"]})"), HasSubstr("messages[0] needs a string \"role\""));
  EXPECT_THAT(error(R"({"messages":[{"role":"user"}]})"), HasSubstr("messages[0] needs a string \"content\""));
  EXPECT_THAT(error(R"({"messages":[{"role":"bot","content":""}]})"),
              HasSubstr("role \"bot\"; expected system, user or assistant"));
  EXPECT_THAT(error(R"({"messages":[{"role":"user","content":"<audio>"}]})"),
              HasSubstr("1 \"<audio>\" tags in the messages, but 0 entries"));
  EXPECT_THAT(error(R"({"messages":[{"role":"user","content":""}],"audios":["a.wav"]})"),
              HasSubstr("0 \"<audio>\" tags"));
  EXPECT_THAT(error(R"({"messages":[{"role":"user","content":""}],"audios":"a.wav"})"),
              HasSubstr("\"audios\" must be an array"));
  EXPECT_THAT(error(R"({"messages":[{"role":"user","content":""}],"audios":[7]})"),
              HasSubstr("audios[0] must be a non-empty string"));
  EXPECT_THAT(error(R"({"messages":[{"role":"user","content":""}],"solution":3})"),
              HasSubstr("\"solution\" must be a string"));
  EXPECT_THAT(error("{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(error(R"({"messages":[{"role":"user","content":"x"}],"videos":["a.mp4"]})"),
              HasSubstr("\"videos\": only text and audio are supported"));
  EXPECT_THAT(error(R"({"messages":[{"role":"user","content":"<image>x"}]})"), HasSubstr("a <image> tag in a message"));
}

TEST(Dataset, MissingAndEmptyFiles) {
  TempDir dir;
  EXPECT_THAT(read_dataset(dir / "none.jsonl").error().message, HasSubstr("none.jsonl: no such file"));
  EXPECT_FALSE(read_dataset(dir.path()));
  write_text(dir / "empty.jsonl", "\n\n");
  EXPECT_THAT(read_dataset(dir / "empty.jsonl").error().message, HasSubstr("empty.jsonl: no rows"));
}

}  // namespace
}  // namespace prosodia
