#include "workers/learner/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace prosodia {

std::string_view name(LrSchedulerType type) {
  switch (type) {
    case LrSchedulerType::kLinear:
      return "linear";
    case LrSchedulerType::kCosine:
      return "cosine";
    case LrSchedulerType::kConstant:
      return "constant";
    case LrSchedulerType::kConstantWithWarmup:
      return "constant_with_warmup";
  }
  return "?";
}

Result<LrSchedulerType> parse_lr_scheduler_type(std::string_view text) {
  for (const auto type : {LrSchedulerType::kLinear, LrSchedulerType::kCosine, LrSchedulerType::kConstant,
                          LrSchedulerType::kConstantWithWarmup})
    if (text == name(type)) return type;
  return fail(ErrorCode::kUsage, "lr_scheduler_type '{}': expected linear, cosine, constant or constant_with_warmup",
              text);
}

double learning_rate_at(const LrScheduleOptions& options, int64_t step) {
  if (options.lr_scheduler_type == LrSchedulerType::kConstant) return options.learning_rate;
  const double total = static_cast<double>(options.max_steps);
  const double warmup =
      options.warmup_steps > 0 ? static_cast<double>(options.warmup_steps) : std::ceil(total * options.warmup_ratio);
  const double now = static_cast<double>(step);
  if (now < warmup) return options.learning_rate * now / std::max(1.0, warmup);
  if (options.lr_scheduler_type == LrSchedulerType::kConstantWithWarmup) return options.learning_rate;
  const double rest = std::max(1.0, total - warmup);
  if (options.lr_scheduler_type == LrSchedulerType::kLinear)
    return options.learning_rate * std::max(0.0, (total - now) / rest);
  return options.learning_rate * std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * (now - warmup) / rest)));
}

}  // namespace prosodia
