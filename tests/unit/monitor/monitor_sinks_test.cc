#include "orchestrator/monitor/monitor_sinks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "data/store/testing/faulty_file_system.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "tests/unit/monitor/monitor_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

MonitorOptions options(uint64_t first_step) {
  MonitorOptions options{.run_dir = "run"};
  options.first_step = first_step;
  options.host = "host";
  options.progress = nullptr;
  options.picture_period_s = 1000;  // the first step and the end
  return options;
}

// Reports steps first..last; false when something failed.
bool report(FileSystem& fs, uint64_t first, uint64_t last) {
  auto monitor = open_monitor(fs, options(first));
  if (!monitor) return false;
  for (uint64_t step = first; step <= last; ++step)
    if (!(*monitor)->on_step(step_report(step, 20))) return false;
  return static_cast<bool>((*monitor)->finish());
}

void expect_steps_once(FileSystem& fs, uint64_t last) {
  const auto metrics = read_metrics(fs, "run/metrics.jsonl").value();
  ASSERT_EQ(metrics.size(), last);
  for (uint64_t i = 0; i < last; ++i) EXPECT_EQ(metrics[i].step, i + 1);
  const auto responses = read_last_completions(fs, "run/completions.jsonl", 1000).value();
  ASSERT_EQ(responses.size(), 2 * last);
  for (uint64_t i = 0; i < 2 * last; ++i) EXPECT_EQ(responses[i].step, i / 2 + 1);
}

// Ten steps of 2 s, an hour of nothing, then ten more; the first of each process has only its phases to count with.
TEST(MonitorSinks, EffectiveTrainingCountsTheTimeBetweenProcesses) {
  FaultyFileSystem fs;
  double wall_time = 1000;
  for (const uint64_t first : {1, 11}) {
    auto monitor = open_monitor(fs, options(first));
    ASSERT_TRUE(monitor);
    for (uint64_t step = first; step < first + 10; ++step) {
      StepReport finished = step_report(step, 20);
      finished.wall_time = wall_time += 2;
      finished.metrics[metric::kStepTime] = step == first ? 0 : 2;
      finished.phase_seconds = {{"rollout", 1.0}, {"reward", 0.25}, {"train", 0.75}, {"wait", 1.25}};
      ASSERT_TRUE((*monitor)->on_step(finished));
    }
    wall_time += 3600;
  }
  const auto metrics = read_metrics(fs, "run/metrics.jsonl").value();
  EXPECT_DOUBLE_EQ(metrics[9].metrics.at(metric::kEffectiveTraining), 1);
  EXPECT_DOUBLE_EQ(metrics[19].metrics.at(metric::kEffectiveTraining), 40.0 / 3640);
}

TEST(MonitorSinks, WritesEverythingAndAResumeRepeatsNothing) {
  FaultyFileSystem fs;
  ASSERT_TRUE(report(fs, 1, 8));
  expect_steps_once(fs, 8);
  ASSERT_TRUE(report(fs, 5, 10));
  expect_steps_once(fs, 10);
  std::vector<std::string> names;
  const auto entries = fs.list_dir("run").value();
  for (const auto& entry : entries) names.push_back(entry.name);
  EXPECT_THAT(names, AllOf(Contains("metrics.jsonl"), Contains("completions.jsonl"), Contains("curves.svg"),
                           Contains("report.html")));
  EXPECT_EQ(
      std::count_if(names.begin(), names.end(), [](const auto& n) { return n.starts_with("events.out.tfevents."); }),
      2);
  EXPECT_THAT(fs.read_text("run/report.html").value(), HasSubstr("10 of 20"));
}

std::string event_bytes(FileSystem& fs) {
  std::string all;
  const auto entries = fs.list_dir("run").value();
  for (const auto& entry : entries)
    if (entry.name.starts_with("events.out.")) all += fs.read_text("run/" + entry.name).value();
  return all;
}

TEST(MonitorSinks, ClipsGoIntoTensorBoardWhenAsked) {
  FaultyFileSystem fs;
  auto with_clips = options(1);
  with_clips.audio_period_steps = 2;
  std::vector<std::string> asked;
  with_clips.load_clip = [&](const std::string& reference) -> Result<std::vector<float>> {
    asked.push_back(reference);
    if (asked.size() > 1) return fail(ErrorCode::kInvalidInput, "gone");
    return std::vector<float>(20 * kLoggedClipRateHz, 0.5f);
  };
  auto monitor = open_monitor(fs, with_clips).value();
  for (uint64_t step = 1; step <= 3; ++step) {
    StepReport finished = step_report(step, 4);
    finished.samples.front().audio = "C.h5#a C.h5#b";
    ASSERT_TRUE(monitor->on_step(finished)) << "a clip that cannot be read is no error";
  }
  EXPECT_THAT(asked, testing::ElementsAre("C.h5#a", "C.h5#a")) << "steps 1 and 3, the first clip of the row";
  const std::string bytes = event_bytes(fs);
  EXPECT_THAT(
      bytes, AllOf(HasSubstr("completions/sample_audio"), HasSubstr("audio/wav"), HasSubstr("distribution/advantage")));
  EXPECT_GT(bytes.size(), 2 * 15 * kLoggedClipRateHz);
  EXPECT_LT(bytes.size(), 2 * 16 * kLoggedClipRateHz) << "cut to 15 s";
}

TEST(MonitorSinks, VerlNamesAreForTensorBoardAlone) {
  FaultyFileSystem fs;
  auto verl = options(1);
  verl.metric_names = MetricNames::kVerl;
  std::vector<uint64_t> reported;
  verl.on_report = [&](const StepReport& report) { reported.push_back(report.step); };
  {
    auto monitor = open_monitor(fs, verl).value();
    ASSERT_TRUE(monitor->on_step(step_report(1, 4)));
    ASSERT_TRUE(monitor->on_step(step_report(2, 4)));
    ASSERT_TRUE(monitor->sync());
  }
  EXPECT_THAT(event_bytes(fs),
              AllOf(HasSubstr("critic/rewards/mean"), HasSubstr("actor/kl_loss"), HasSubstr("timing_s/gen")));
  EXPECT_TRUE(read_metrics(fs, "run/metrics.jsonl")->front().metrics.contains(metric::kKl));
  verl.first_step = 3;
  auto monitor = open_monitor(fs, verl).value();
  ASSERT_TRUE(monitor->on_step(step_report(3, 4)));
  EXPECT_THAT(reported, testing::ElementsAre(1, 2, 1, 2, 3)) << "a new process hears of the steps before it, too";
}

TEST(MonitorSinks, LogsAsManyResponsesAsAsked) {
  FaultyFileSystem fs;
  auto few = options(1);
  few.log_completions = 1;
  few.tensorboard = false;
  auto monitor = open_monitor(fs, few).value();
  ASSERT_TRUE(monitor->on_step(step_report(1, 2)));
  ASSERT_TRUE(monitor->on_step(step_report(2, 2)));
  ASSERT_TRUE(monitor->finish());
  EXPECT_EQ(read_last_completions(fs, "run/completions.jsonl", 100)->size(), 2u);
  EXPECT_EQ(fs.list_dir("run")->size(), 4u);
}

TEST(MonitorSinks, AFullDiskIsAStorageErrorAndLeavesNoBrokenLine) {
  for (uint64_t n = 1;; ++n) {
    FaultyFileSystem fs(n);
    auto monitor = open_monitor(fs, options(1)).value();
    fs.fail_call(fs.calls() + n, ENOSPC);
    const auto full = monitor->on_step(step_report(1, 2));
    fs.clear_faults();
    if (full) {
      EXPECT_GT(n, 8u);
      break;
    }
    EXPECT_EQ(exit_code(full.error().code), 5);
    EXPECT_THAT(full.error().message, AllOf(HasSubstr("run"), HasSubstr("free space")));
    EXPECT_TRUE(monitor->on_step(step_report(2, 2)));
    EXPECT_TRUE(read_metrics(fs, "run/metrics.jsonl")) << n;
    EXPECT_TRUE(read_last_completions(fs, "run/completions.jsonl", 100)) << n;
  }
}

// Whatever call a crash hits, the next start from step 4 (a checkpoint after a sync) leaves every step exactly once.
TEST(MonitorSinks, CrashAtEveryCall) {
  for (const Crash kind : {Crash::kProcess, Crash::kDropUnsynced, Crash::kTearUnsynced}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE(fmt::format("crash {} at call {}", static_cast<int>(kind), n));
      FaultyFileSystem fs(n);
      ASSERT_TRUE(report(fs, 1, 3));
      fs.fail_calls_from(fs.calls() + n, EIO);
      const bool finished = report(fs, 4, 6);
      fs.crash(kind);
      ASSERT_TRUE(report(fs, 4, 7));
      expect_steps_once(fs, 7);
      if (finished) break;
      ASSERT_LT(n, 300u);
    }
  }
}

}  // namespace
}  // namespace prosodia
