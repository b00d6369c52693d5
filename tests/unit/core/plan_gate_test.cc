#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "data/base/philox.h"
#include "orchestrator/core/gate.h"
#include "orchestrator/core/plan.h"

namespace prosodia::core {
namespace {

PlanOptions plan_options(uint32_t lag = 2) { return {7, 10, 20, 4, 8, lag, true}; }

TEST(Plan, EveryEpochIsAPermutationAndEpochsDiffer) {
  Plan plan(plan_options());
  std::vector<uint64_t> first, second;
  for (uint64_t i = 0; i < 10; ++i) first.push_back(plan.row_of(GroupId(i)));
  for (uint64_t i = 10; i < 20; ++i) second.push_back(plan.row_of(GroupId(i)));
  EXPECT_EQ(std::set<uint64_t>(first.begin(), first.end()).size(), 10u);
  EXPECT_EQ(std::set<uint64_t>(second.begin(), second.end()).size(), 10u);
  EXPECT_NE(first, second);
  Plan again(plan_options());
  EXPECT_EQ(again.row_of(GroupId(13)), second[3]);  // not dependent on what was asked before
}

TEST(Plan, WithoutShuffleTheDatasetsOrder) {
  PlanOptions options = plan_options();
  options.shuffle = false;
  Plan plan(options);
  EXPECT_EQ(plan.row_of(GroupId(3)), 3u);
  EXPECT_EQ(plan.row_of(GroupId(13)), 3u);
}

TEST(Plan, SeedsAreThoseOfTheContract) {
  Plan plan(plan_options());
  const GroupId group = plan.group(StepId(3), 2);
  EXPECT_EQ(group, GroupId(14));
  EXPECT_EQ(plan.step_of(group), StepId(3));
  EXPECT_EQ(plan.slot_of(group), 2u);
  EXPECT_EQ(plan.seed_of(group), mix_seed(mix_seed(7, 3), 2));
}

TEST(Plan, StalenessIsExact) {
  for (uint32_t lag : {0u, 1u, 3u}) {
    Plan plan(plan_options(lag));
    for (uint64_t t = 0; t < 20; ++t) EXPECT_EQ(plan.version_of(StepId(t)).value, t > lag ? t - lag : 0);
    EXPECT_EQ(plan.window_end(PolicyVersion(5)).value, 6 + lag);
    EXPECT_EQ(plan.window_end(PolicyVersion(19)).value, 20u);  // never past the end
  }
}

double value_after(Gate& gate, const std::vector<double>& accuracies, uint64_t step) {
  for (size_t i = gate.accuracies().size(); i < accuracies.size(); ++i) gate.observe(StepId(i), accuracies[i]);
  return gate.value(StepId(step));
}

TEST(Gate, OpensOnceAccuracyStabilisedAndNeverCloses) {
  GateOptions options;
  options.window = 2;
  options.delta = 0.05;
  Gate gate(options, 0);
  EXPECT_EQ(gate.value(StepId(0)), 0);
  EXPECT_EQ(value_after(gate, {0.1, 0.2, 0.4, 0.5}, 4), 0);             // |0.45 - 0.15|
  EXPECT_EQ(value_after(gate, {0.1, 0.2, 0.4, 0.5, 0.5}, 5), 0);        // |0.5 - 0.3|
  EXPECT_EQ(value_after(gate, {0.1, 0.2, 0.4, 0.5, 0.5, 0.46}, 6), 1);  // |0.48 - 0.45|
  EXPECT_EQ(gate.start(), StepId(6));
  EXPECT_EQ(gate.value(StepId(5)), 0);
  EXPECT_EQ(value_after(gate, {0.1, 0.2, 0.4, 0.5, 0.5, 0.46, 0.0, 1.0}, 8), 1);
}

TEST(Gate, LagDelaysTheDecisionAndKeepsItKnown) {
  GateOptions options;
  options.window = 1;
  options.delta = 0.05;
  Gate gate(options, 2);
  EXPECT_EQ(gate.value(StepId(2)), 0);  // accuracies of no step are needed
  EXPECT_EQ(value_after(gate, {0.5, 0.5}, 3), 0);
  EXPECT_EQ(gate.start(), StepId(4));  // s + 1 + L with s = 1
  EXPECT_EQ(gate.value(StepId(4)), 1);
}

TEST(Gate, MinimumStepsAndAccuracyHoldItBack) {
  GateOptions options;
  options.window = 1;
  options.delta = 0.05;
  options.min_steps = 4;
  options.min_accuracy = 0.4;
  Gate gate(options, 0);
  EXPECT_EQ(value_after(gate, {0.5, 0.5, 0.5}, 3), 0);
  Gate low(options, 0);
  EXPECT_EQ(value_after(low, {0.3, 0.3, 0.3, 0.3, 0.3}, 5), 0);
  EXPECT_EQ(value_after(gate, {0.5, 0.5, 0.5, 0.5}, 4), 1);
}

TEST(Gate, FixedStepRampAlwaysNever) {
  GateOptions options;
  options.mode = GateMode::kFixedStep;
  options.start_step = 3;
  options.ramp_steps = 4;
  Gate gate(options, 1);
  EXPECT_EQ(gate.value(StepId(2)), 0);
  EXPECT_EQ(gate.value(StepId(3)), 0.25);
  EXPECT_EQ(gate.value(StepId(5)), 0.75);
  EXPECT_EQ(gate.value(StepId(6)), 1);
  EXPECT_EQ(gate.value(StepId(600)), 1);
  options.mode = GateMode::kAlways;
  options.ramp_steps = 0;
  EXPECT_EQ(Gate(options, 0).value(StepId(0)), 1);
  options.mode = GateMode::kNever;
  EXPECT_EQ(Gate(options, 0).value(StepId(900)), 0);
}

}  // namespace
}  // namespace prosodia::core
