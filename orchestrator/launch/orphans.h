// Processes that a dead child left behind: mpirun's ranks when mpirun is killed, helpers of a wrapper script. As a
// "subreaper" the supervisor becomes their parent, finds them and kills them; stopped ones too.
//
// Thread rule: the supervisor's thread. Failure rule: without /proc nothing is found (and parent-death signals remain).
#pragma once

#include <sys/types.h>

#include <functional>

namespace prosodia::launch {

// While it lives, descendants whose parent dies become children of this process.
class Subreaper {
 public:
  Subreaper();
  ~Subreaper();
  Subreaper(const Subreaper&) = delete;
  Subreaper& operator=(const Subreaper&) = delete;
};

// Kills every child of this process for which is_ours is false, and collects those that have ended. Returns how many
// were still there: call again until it is 0, since their children in turn become ours.
int kill_orphans(const std::function<bool(pid_t)>& is_ours);

// Asks the kernel to kill this process when its parent dies; ends it at once when that has happened already. For ranks
// under mpirun, which only ends them when it dies in order.
void end_with_parent();

}  // namespace prosodia::launch
