// How many processes of each role a run has, and which rank of one mpirun plays which role. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia::launch {

enum class Role { kCoordinator, kLearner, kRollout, kReward };
std::string_view name(Role role);

struct Layout {
  int learners = 1, rollouts = 1, rewards = 1;
  int world_size() const { return 1 + learners + rollouts + rewards; }  // the coordinator is one more
};

// "learner=2,rollout=4,reward=1": each role at most once, counts from 1 to 100000; an absent role means 1.
Result<Layout> parse_layout(std::string_view text);

// What a process of a supervised run is called in logs, in its Hello and by the coordinator's reports: "coordinator",
// "learner" (all ranks are one child, their mpirun), "rollout-0", "reward-1".
std::string process_name(Role role, int index);
// Of every process but the coordinator.
std::vector<std::string> worker_process_names(const Layout& layout);

struct Placement {
  Role role = Role::kCoordinator;
  int index = 0;  // within the role
};

// Under one mpirun: rank 0 coordinates, then come the learners, the rollout workers and the reward workers.
// kUsage when the world does not fit the layout; the message gives the `mpirun -n` that does.
Result<Placement> place(const Layout& layout, int rank, int world_size);

}  // namespace prosodia::launch
