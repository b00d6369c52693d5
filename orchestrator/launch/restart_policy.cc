#include "orchestrator/launch/restart_policy.h"

#include <algorithm>

namespace prosodia::launch {

std::optional<int64_t> RestartPolicy::on_failure(int64_t lived_ms) {
  if (restarts_ >= options_.max_restarts) return std::nullopt;
  ++restarts_;
  consecutive_ = lived_ms >= options_.healthy_ms ? 0 : consecutive_ + 1;
  const int doublings = std::clamp(consecutive_ - 1, 0, 30);
  return std::min(options_.first_delay_ms << doublings, options_.max_delay_ms);
}

}  // namespace prosodia::launch
