#include "orchestrator/core/gate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/base/check.h"

namespace prosodia::core {

Gate::Gate(const GateOptions& options, uint32_t lag) : options_(options), lag_(lag) {
  PROSODIA_CHECK(options.window > 0, "gate window 0");
  if (options.mode == GateMode::kAlways) start_ = StepId(0);
  if (options.mode == GateMode::kFixedStep) start_ = StepId(options.start_step);
}

void Gate::observe(StepId step, double accuracy) {
  PROSODIA_CHECK(step.value == accuracies_.size(), "accuracy of step {} after {} steps", step, accuracies_.size());
  accuracies_.push_back(accuracy);
  if (options_.mode == GateMode::kStabilised && !start_ && stabilised()) start_ = StepId(step.value + 1 + lag_);
}

bool Gate::stabilised() const {
  const auto window = static_cast<std::ptrdiff_t>(options_.window);
  if (accuracies_.size() < std::max<size_t>(options_.min_steps, 2 * static_cast<size_t>(window))) return false;
  const double last = std::accumulate(accuracies_.end() - window, accuracies_.end(), 0.0) / options_.window;
  const double before =
      std::accumulate(accuracies_.end() - 2 * window, accuracies_.end() - window, 0.0) / options_.window;
  return std::abs(last - before) < options_.delta && last >= options_.min_accuracy;
}

double Gate::value(StepId step) const {
  PROSODIA_CHECK(options_.mode != GateMode::kStabilised || step.value <= accuracies_.size() + lag_,
                 "gate of step {} after {} accuracies with lag {}", step, accuracies_.size(), lag_);
  if (!start_ || step < *start_) return 0;
  if (options_.ramp_steps == 0) return 1;
  return std::min(1.0, static_cast<double>(step.value - start_->value + 1) / options_.ramp_steps);
}

}  // namespace prosodia::core
