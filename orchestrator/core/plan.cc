#include "orchestrator/core/plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "data/base/check.h"
#include "data/base/philox.h"

namespace prosodia::core {
namespace {
constexpr uint64_t kEpochStream = 0x65706F6368;  // "epoch": keeps the shuffles apart from the groups' seeds
constexpr size_t kPermutationsKept = 4;
}  // namespace

Plan::Plan(const PlanOptions& options) : options_(options) {
  PROSODIA_CHECK(options.num_rows > 0 && options.num_rows <= UINT32_MAX, "{} rows", options.num_rows);
  PROSODIA_CHECK(options.prompts_per_step > 0 && options.num_generations > 0 && options.total_steps > 0,
                 "P {}, K {}, steps {}", options.prompts_per_step, options.num_generations, options.total_steps);
}

GroupId Plan::group(StepId step, uint32_t slot) const {
  PROSODIA_CHECK(slot < options_.prompts_per_step, "slot {} of {}", slot, options_.prompts_per_step);
  return GroupId(step.value * options_.prompts_per_step + slot);
}

uint64_t Plan::row_of(GroupId group) {
  const uint64_t position = group.value % options_.num_rows;
  return options_.shuffle ? permutation(group.value / options_.num_rows)[position] : position;
}

uint64_t Plan::seed_of(GroupId group) const {
  return mix_seed(mix_seed(options_.seed, step_of(group).value), slot_of(group));
}

PolicyVersion Plan::version_of(StepId step) const {
  return PolicyVersion(step.value > options_.lag ? step.value - options_.lag : 0);
}

StepId Plan::window_end(PolicyVersion newest) const {
  return StepId(std::min(options_.total_steps, newest.value + options_.lag + 1));
}

const std::vector<uint32_t>& Plan::permutation(uint64_t epoch) {
  const auto found = permutations_.find(epoch);
  if (found != permutations_.end()) return found->second;
  std::vector<uint32_t> order(options_.num_rows);
  std::iota(order.begin(), order.end(), 0u);
  PhiloxStream stream(mix_seed(mix_seed(options_.seed, kEpochStream), epoch));
  for (size_t i = order.size() - 1; i > 0; --i)
    std::swap(order[i], order[stream.next_below(static_cast<uint32_t>(i + 1))]);
  if (permutations_.size() >= kPermutationsKept) permutations_.erase(permutations_.begin());
  return permutations_.emplace(epoch, std::move(order)).first->second;
}

}  // namespace prosodia::core
