#include "orchestrator/report/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prosodia {
namespace {

using ::testing::ElementsAre;

TracePhase phase(const char* name, uint64_t step, int64_t begin_ms, int64_t ms, int lane = 0) {
  return {name, lane, 1'000'000'000'000'000 + begin_ms * 1000, ms * 1000, {{"step", step}}};
}

TEST(Timeline, AStepLastsFromTheCoordinatorsWordAndShowsAllProcesses) {
  RunTrace trace;
  trace.processes = {{"coordinator", {phase("step", 1, 0, 100), phase("step", 2, 100, 50)}},
                     {"rollout-0", {phase("sample", 1, 10, 40), phase("sample", 2, 90, 30)}}};
  const Timeline timeline = make_timeline(trace);
  EXPECT_THAT(timeline.processes, ElementsAre("coordinator", "rollout-0"));
  ASSERT_EQ(timeline.steps.size(), 2u);
  EXPECT_DOUBLE_EQ(timeline.steps[1].begin_s, 0.1);
  EXPECT_DOUBLE_EQ(timeline.steps[1].duration_ms, 50);
  // The second step's samples began before it: cut here, whole there.
  const auto& late = timeline.steps[1].phases.back();
  EXPECT_EQ(late.process, 1u);
  EXPECT_DOUBLE_EQ(late.begin_ms, 0);
  EXPECT_DOUBLE_EQ(late.duration_ms, 20);
  ASSERT_EQ(timeline.steps[0].phases.size(), 4u);  // step 2's own phase begins where step 1 ends
  EXPECT_DOUBLE_EQ(timeline.totals.back().seconds, 0.07);
}

TEST(Timeline, AStepTrainedAgainHasItsLastWindowAndWaitingMakesNone) {
  RunTrace trace;
  trace.processes = {{"coordinator", {phase("step", 1, 0, 100), phase("step", 1, 500, 60)}},
                     {"learner-0", {phase("train", 1, 20, 30), phase("train", 1, 510, 30), phase("wait", 2, 600, 10)}}};
  const Timeline timeline = make_timeline(trace);
  ASSERT_EQ(timeline.steps.size(), 1u);
  EXPECT_DOUBLE_EQ(timeline.steps[0].duration_ms, 60);
  EXPECT_EQ(timeline.steps[0].phases.size(), 2u);
}

TEST(Timeline, LongRunsAreThinnedAndBusyStepsCut) {
  RunTrace trace;
  trace.processes = {{"rollout-0", {}}};
  for (uint64_t step = 1; step <= 100; ++step)
    for (int64_t i = 0; i < 20; ++i)
      trace.processes[0].phases.push_back(
          phase("group", step, static_cast<int64_t>(step) * 1000 + i, 10 + i, 1 + static_cast<int>(i)));
  const Timeline timeline = make_timeline(trace, {.steps = 5, .phases_per_step = 8});
  EXPECT_EQ(timeline.steps_traced, 100u);
  ASSERT_EQ(timeline.steps.size(), 5u);
  EXPECT_EQ(timeline.steps.front().step, 1u);
  EXPECT_EQ(timeline.steps.back().step, 100u);
  EXPECT_EQ(timeline.steps[0].phases.size(), 8u);
  EXPECT_EQ(timeline.steps[0].left_out, 12u);
  EXPECT_TRUE(timeline.totals.empty()) << "lanes beside each other are not added up";
}

}  // namespace
}  // namespace prosodia
