// Strong types for ids, so that a step cannot be passed where a policy version is meant.
#pragma once

#include <compare>
#include <cstdint>
#include <fmt/format.h>
#include <functional>

namespace prosodia {

template <class Tag>
struct Id {
  uint64_t value = 0;
  constexpr Id() = default;
  constexpr explicit Id(uint64_t v) : value(v) {}
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
};

using GroupId = Id<struct GroupIdTag>;              // step * prompts_per_step + slot: one prompt's K responses in one step
using StepId = Id<struct StepIdTag>;                // optimizer step, from 0
using PolicyVersion = Id<struct PolicyVersionTag>;  // weights after `value` optimizer steps; 0 = the initial model
using LeaseId = Id<struct LeaseIdTag>;              // unique in a coordinator's life and across its restarts
using WorkerEpoch = Id<struct WorkerEpochTag>;      // random, drawn once by each process at start
using RunId = Id<struct RunIdTag>;                  // random, drawn once when a run folder is created

}  // namespace prosodia

template <class Tag>
struct fmt::formatter<prosodia::Id<Tag>> : fmt::formatter<uint64_t> {
  template <class Context>
  auto format(const prosodia::Id<Tag>& id, Context& context) const {
    return fmt::formatter<uint64_t>::format(id.value, context);
  }
};

template <class Tag>
struct std::hash<prosodia::Id<Tag>> {
  size_t operator()(const prosodia::Id<Tag>& id) const noexcept { return std::hash<uint64_t>{}(id.value); }
};
