// The progressive gate of GRPO-PTR: the factor in [0, 1] by which the reasoning reward enters (design §4).
//
// The gate of step t is a pure function of the batch accuracies of steps 0 .. t-1-L (L = lag), so it is known when step
// t's groups are leased, and a replayed run decides the same.
//
// | state   | event                                            | next    | gate of later steps                        |
// |---------|--------------------------------------------------|---------|--------------------------------------------|
// | kClosed | accuracy of step s meets the condition           | kOpen   | start = s + 1 + L                          |
// | kClosed | any other accuracy                               | kClosed | 0                                          |
// | kOpen   | accuracy                                         | kOpen   | ramp from `start`; never goes back         |
// Modes kAlways, kNever and kFixedStep do not look at accuracies.
//
// Stabilised condition at step s, with W = window: s + 1 >= max(min_steps, 2 W), and |mean of the last W - mean of the
// W before| < delta, and mean of the last W >= min_accuracy.
//
// Thread rule: single thread. Failure rule: accuracies out of order abort.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/base/ids.h"

namespace prosodia::core {

enum class GateMode : uint8_t { kStabilised, kFixedStep, kAlways, kNever };

struct GateOptions {
  GateMode mode = GateMode::kStabilised;
  uint32_t window = 20;     // W > 0, steps
  double delta = 0.02;      // accuracy
  uint32_t min_steps = 0;   // steps observed before it may open
  double min_accuracy = 0;  // [0, 1]
  uint64_t start_step = 0;  // kFixedStep
  uint32_t ramp_steps = 0;  // 0: a switch; n: 1/n, 2/n, …, 1
};

class Gate {
 public:
  Gate(const GateOptions& options, uint32_t lag);

  void observe(StepId step, double accuracy);  // each step once, in order
  // Needs the accuracies of steps 0 .. step-1-lag; aborts when they were not observed yet.
  double value(StepId step) const;
  std::optional<StepId> start() const { return start_; }  // first step with a gate above 0, once decided
  const std::vector<double>& accuracies() const { return accuracies_; }

 private:
  bool stabilised() const;

  GateOptions options_;
  uint32_t lag_;
  std::vector<double> accuracies_;
  std::optional<StepId> start_;
};

}  // namespace prosodia::core
