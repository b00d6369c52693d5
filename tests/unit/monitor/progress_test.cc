#include "orchestrator/monitor/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "orchestrator/monitor/progress_bar.h"
#include "tests/unit/monitor/monitor_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

StepReport full_report() {
  StepReport report{.step = 120, .total_steps = 1500};
  report.metrics = {{metric::kReward, 1.2345},  {metric::kRewardStd, 0.21},    {metric::kFormat, 0.98},
                    {metric::kAccuracy, 0.62},  {metric::kReasoning, 0.71},    {metric::kTrust, 0.9},
                    {metric::kGate, 1},         {metric::kFaithfulness, 0.66}, {metric::kKl, 0.0123},
                    {metric::kMeanLength, 142}, {metric::kClippedRatio, 0.03}, {metric::kTokensPerSecond, 1234},
                    {metric::kStepTime, 8.4}};
  report.phase_seconds = {{"rollout", 5.04}, {"train", 2.52}, {"reward", 0.42}, {"idle", 0.001}};
  return report;
}

int columns_of(const std::string& line) {  // UTF-8 characters
  return static_cast<int>(std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

TEST(Progress, TheWholeLine) {
  EXPECT_EQ(
      progress_line(full_report(), 200, 11592),
      " 120/1500 reward 1.234 ±0.21 fmt 0.98 acc 0.62 rsn 0.71 tau 0.90 gate 1.00 faith 0.66 kl 0.0123 len 142 cut 3% "
      "1.2k tok/s 8.4s roll 60% train 30% rwd 5% eta 3h13m");
}

TEST(Progress, FitsEveryWidthAndKeepsWhatMatters) {
  for (int columns = 40; columns <= 200; ++columns) {
    const std::string line = progress_line(full_report(), columns, 11592);
    EXPECT_LE(columns_of(line), columns) << line;
    EXPECT_THAT(line, AllOf(HasSubstr("120/1500"), HasSubstr("reward 1.234")));
  }
  EXPECT_THAT(progress_line(full_report(), 120, 11592),
              AllOf(HasSubstr("fmt"), HasSubstr("acc"), HasSubstr("rsn"), HasSubstr("faith"), HasSubstr("kl"),
                    HasSubstr("len 142"), HasSubstr("tok/s"), HasSubstr("8.4s roll 60%"), HasSubstr("eta 3h13m")));
  EXPECT_THAT(progress_line(full_report(), 80, 11592),
              AllOf(HasSubstr("acc 0.62"), HasSubstr("kl 0.0123"), HasSubstr("len 142"), HasSubstr("8.4s"),
                    HasSubstr("eta 3h13m"), Not(HasSubstr("tau"))));
}

TEST(Progress, LeavesOutWhatIsNotThere) {
  StepReport report{.step = 3};
  report.metrics = {{metric::kReward, 0.5}, {metric::kKl, std::numeric_limits<double>::quiet_NaN()}};
  EXPECT_EQ(progress_line(report, 120, -1), "3 reward 0.500");
}

TEST(Progress, Durations) {
  EXPECT_EQ(format_duration(-5), "0s");
  EXPECT_EQ(format_duration(59.4), "59s");
  EXPECT_EQ(format_duration(59.6), "1m00s");
  EXPECT_EQ(format_duration(3599), "59m59s");
  EXPECT_EQ(format_duration(11100), "3h05m");
  EXPECT_EQ(format_duration(187200), "2d04h");
}

TEST(Progress, PrintsALineAStepWithTheTimeLeft) {
  std::FILE* stream = std::tmpfile();
  ProgressPrinter printer(stream, 120);
  printer.on_step(step_report(1, 11));  // 2 s a step, 10 left
  printer.on_step(step_report(11, 11));
  std::rewind(stream);
  char text[1000] = {};
  const size_t size = std::fread(text, 1, sizeof(text) - 1, stream);
  std::fclose(stream);
  EXPECT_EQ(std::count(text, text + size, '\n'), 2);
  EXPECT_THAT(
      text, AllOf(HasSubstr(" 1/11 reward 0.800"), HasSubstr("eta 20s\n"), HasSubstr("11/11 "), HasSubstr("eta 0s\n")));
}

TEST(ProgressBar, FillsTheWidthItIsGiven) {
  EXPECT_EQ(progress_text("decoding", 0, 8, 44, {}), "decoding  [>                     ]  0/8  0 %");
  EXPECT_EQ(progress_text("decoding", 4, 8, 54, {.eta_seconds = 61}),
            "decoding  [==========>         ]  4/8  50 %  eta 1m01s");
  EXPECT_EQ(progress_text("decoding", 4, 8, 0, {.per_second = 12.34, .eta_seconds = 61}),
            "decoding  4/8  50 %  12.3/s  eta 1m01s");
  EXPECT_EQ(progress_text("decoding", 8, 8, 46, {}), "decoding  [======================]  8/8  100 %");
  EXPECT_EQ(progress_text("decoding", 4, 8, 0, {}), "decoding  4/8  50 %");
  EXPECT_EQ(progress_text("decoding", 0, 0, 0, {}), "decoding  0/0  100 %");
}

}  // namespace
}  // namespace prosodia
