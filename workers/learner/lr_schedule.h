// Learning-rate schedules, as transformers' get_scheduler computes them (optimization.py, 5.17).
// Pure; thread-safe. The optimizer's step number `step` counts from 0.
#pragma once

#include <cstdint>
#include <string_view>

#include "data/base/status.h"

namespace prosodia {

enum class LrSchedulerType { kLinear, kCosine, kConstant, kConstantWithWarmup };
std::string_view name(LrSchedulerType type);  // "linear", "cosine", "constant", "constant_with_warmup"
Result<LrSchedulerType> parse_lr_scheduler_type(std::string_view text);  // kUsage, naming the words

struct LrScheduleOptions {
  double learning_rate = 1e-6;  // the peak, > 0
  LrSchedulerType lr_scheduler_type = LrSchedulerType::kLinear;
  int64_t warmup_steps = 0;  // > 0 wins over warmup_ratio
  double warmup_ratio = 0;   // of max_steps, rounded up; [0, 1]
  int64_t max_steps = 0;     // total optimizer steps; > 0 for linear and cosine
};

// linear: up from 0 over the warm-up, then down to 0 at max_steps. cosine: the same with half a cosine. constant: no
// warm-up. The first step of a warm-up has rate 0, as in transformers.
double learning_rate_at(const LrScheduleOptions& options, int64_t step);

}  // namespace prosodia
