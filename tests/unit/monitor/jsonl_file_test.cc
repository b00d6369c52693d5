#include "orchestrator/monitor/jsonl_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/store/testing/faulty_file_system.h"
#include "tests/unit/monitor/monitor_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kPath = "run/metrics.jsonl";

void put(FileSystem& fs, const std::string& text) {
  ASSERT_TRUE(fs.create_dirs("run"));
  ASSERT_TRUE(fs.open_append(kPath, OpenMode::kTruncate).value()->append(as_byte_span(text)));
}

std::string cut_to(const std::string& text, uint64_t first_step) {
  FaultyFileSystem fs;
  put(fs, text);
  EXPECT_TRUE(JsonlFile::open(fs, kPath, first_step));
  return fs.read_text(kPath).value();
}

TEST(JsonlFile, CutsBackToTheStepThatIsWrittenAgain) {
  const std::string lines = "{\"step\":1,\"a\":1}\n{\"step\":2,\"a\":1}\n{\"step\":2,\"b\":1}\n{\"step\":10,\"a\":1}\n";
  EXPECT_EQ(cut_to(lines, 11), lines);
  EXPECT_EQ(cut_to(lines, 10), lines.substr(0, 51));
  EXPECT_EQ(cut_to(lines, 3), lines.substr(0, 51));
  EXPECT_EQ(cut_to(lines, 2), lines.substr(0, 17));
  EXPECT_EQ(cut_to(lines, 0), "");
  EXPECT_EQ(cut_to(lines + "{\"step\":11,\"to", 12), lines) << "torn last line";
  EXPECT_EQ(cut_to(lines + "{\"st", 12), lines);
  EXPECT_EQ(cut_to("# a note\n" + lines, 2), "# a note\n" + lines.substr(0, 17));
  EXPECT_EQ(cut_to("", 1), "");
}

TEST(JsonlFile, CutsFilesLargerThanOneRead) {
  std::string lines, expected;
  for (int step = 1; step <= 40; ++step) {
    lines += fmt::format("{{\"step\":{},\"text\":\"{}\"}}\n", step, std::string(50000 + step, 'x'));
    if (step == 29) expected = lines;
  }
  EXPECT_EQ(cut_to(lines, 30), expected);
  EXPECT_EQ(cut_to(lines, 41), lines);
}

TEST(JsonlFile, MetricsRoundTrip) {
  FaultyFileSystem fs;
  StepReport report = step_report(7, 100);
  report.metrics["bad"] = std::nan("");
  {
    auto file = JsonlFile::open(fs, kPath, 1).value();
    file->add(metrics_line(report));
    ASSERT_TRUE(file->sync());
  }
  EXPECT_THAT(fs.read_text(kPath).value(),
              AllOf(testing::StartsWith("{\"step\":7,\"total_steps\":100,"), HasSubstr("\"bad\":null"),
                    HasSubstr("\"timing_s/rollout\":1.2"), HasSubstr("\"reward\":0.8")));
  const auto read = read_metrics(fs, kPath).value();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].step, 7u);
  EXPECT_EQ(read[0].total_steps, 100u);
  EXPECT_EQ(read[0].wall_time, 1007);
  EXPECT_EQ(read[0].phase_seconds, report.phase_seconds);
  EXPECT_TRUE(std::isnan(read[0].metrics.at("bad")));
  EXPECT_EQ(read[0].metrics.at("reward"), report.metrics.at("reward"));
  EXPECT_EQ(read[0].metrics.size(), report.metrics.size());
}

TEST(JsonlFile, ReadingNamesTheMalformedLineAndPassesOverATornOne) {
  FaultyFileSystem fs;
  EXPECT_TRUE(read_metrics(fs, kPath).value().empty());
  put(fs, "{\"step\":1}\n{\"step\":2}\n{\"ste");
  EXPECT_EQ(read_metrics(fs, kPath).value().size(), 2u);
  put(fs, "{\"step\":1}\nnonsense\n");
  const auto read = read_metrics(fs, kPath);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(read.error().message, HasSubstr("run/metrics.jsonl:2"));
}

TEST(JsonlFile, CompletionsRoundTripAndTheLastOnesAreRead) {
  FaultyFileSystem fs;
  SampledResponse scored = sampled(12, 3, 1.5, true);
  scored.reasoning_status = "value";
  scored.criteria = {5, 4, 3, 2};
  scored.reasoning = 0.7;
  scored.has_faithfulness = true;
  scored.faithfulness = 0.5;
  scored.trust = 0.9;
  scored.gate = 1;
  scored.advantage = -0.25;
  SampledResponse broken = sampled(13, 0, 0, false);
  broken.response = "half a character: \xe4\xb8";
  broken.reasoning_status = "timeout";
  broken.present = false;
  {
    auto file = JsonlFile::open(fs, kPath, 1).value();
    for (uint64_t step = 1; step <= 5; ++step) file->add(completion_line({step, scored}));
    file->add(completion_line({6, broken}));
    ASSERT_TRUE(file->flush());
  }
  const auto last = read_last_completions(fs, kPath, 2).value();
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(last[0].step, 5u);
  EXPECT_EQ(completion_line(last[0]).dump(), completion_line({5, scored}).dump());
  EXPECT_EQ(last[0].response.criteria, scored.criteria);
  EXPECT_EQ(last[0].response.advantage, -0.25);
  EXPECT_EQ(last[1].response.response, "half a character: \xef\xbf\xbd");
  EXPECT_EQ(last[1].response.reasoning_status, "timeout");
  EXPECT_FALSE(last[1].response.present);
  EXPECT_FALSE(last[1].response.has_faithfulness);
  EXPECT_TRUE(read_last_completions(fs, "run/none", 2).value().empty());
}

}  // namespace
}  // namespace prosodia
