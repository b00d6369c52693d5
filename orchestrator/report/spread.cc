#include "orchestrator/report/spread.h"

#include <algorithm>

namespace prosodia {

std::vector<size_t> evenly_spaced(size_t count, size_t most) {
  std::vector<size_t> chosen;
  const size_t wanted = std::min(count, most);
  for (size_t i = 0; i < wanted; ++i) chosen.push_back(wanted == 1 ? count - 1 : i * (count - 1) / (wanted - 1));
  return chosen;
}

std::vector<size_t> spreading_order(size_t count) {
  std::vector<size_t> order;
  std::vector<bool> taken(count);
  const auto take = [&](size_t index) {
    if (index >= count || taken[index]) return;
    taken[index] = true;
    order.push_back(index);
  };
  if (count == 0) return order;
  take(count - 1);
  take(0);
  for (size_t parts = 2; order.size() < count; parts *= 2)
    for (size_t k = 1; k < parts; k += 2) take(std::min(k * count / parts, count - 1));
  return order;
}

std::vector<std::pair<size_t, size_t>> choose_groups(const std::vector<std::vector<size_t>>& bytes,
                                                     size_t budget_bytes) {
  std::vector<std::pair<size_t, size_t>> chosen;
  const auto order = spreading_order(bytes.size());
  size_t rounds = 0, used = 0;
  for (const auto& step : bytes) rounds = std::max(rounds, step.size());
  for (size_t group = 0; group < rounds; ++group) {
    for (const size_t step : order) {
      if (group >= bytes[step].size()) continue;
      if (used + bytes[step][group] > budget_bytes) {
        std::sort(chosen.begin(), chosen.end());
        return chosen;
      }
      used += bytes[step][group];
      chosen.emplace_back(step, group);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace prosodia
