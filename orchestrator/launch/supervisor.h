// The local supervisor of `prosodia train`: starts the coordinator, the workers and the learner group as child
// processes, starts those that fail again, and ends all of them with the run.
//
//   leader (the coordinator)  exit 0      -> the run is complete: the others are told to end
//                             2, 3, 5, 6  -> final: the others are told to end, the code is the run's
//                             otherwise   -> started again
//   any other process         exit 0      -> has been told that the run ended; not started again
//                             2, 3, 5     -> final, as above: starting it again cannot help
//                             otherwise   -> started again with backoff; after max_restarts the run stops with code 4
//
// After a stop request nothing is started again: a leader that ends in any other way than the final ones ends the run
// with code 6 (interrupted), other processes may end as they like.
//
// A learner group is one child (its mpirun); its ranks stand and fall together. Single thread: the one that calls
// run().
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "orchestrator/launch/child.h"
#include "orchestrator/launch/restart_policy.h"

namespace prosodia::launch {

struct SupervisorOptions {
  RestartOptions restart;
  int64_t grace_ms = 15'000;  // between SIGTERM and SIGKILL for the processes that remain
  // Told every start, end and restart, as one line for people.
  std::function<void(const std::string&)> log = [](const std::string&) {};
};

class Supervisor {
 public:
  Supervisor(SupervisorOptions options, ProcessSpec leader, std::vector<ProcessSpec> others);

  // Blocks until the run has ended and no child is left. When `stop` becomes true the leader gets SIGTERM once and ends
  // the run in order. Returns the run's exit code.
  int run(const std::atomic<bool>& stop);

 private:
  struct Entry;
  void start(Entry& entry);
  void on_exit(Entry& entry, const ExitStatus& status);
  void begin_shutdown(int code);
  void reap_and_restart();
  void kill_overdue();
  bool anything_alive() const;

  SupervisorOptions options_;
  std::vector<Entry> entries_;  // [0] is the leader
  std::optional<int> final_code_;
  int64_t shutdown_ms_ = 0;
  bool told_leader_ = false;  // the stop request was passed on
  bool killed_ = false;

 public:
  ~Supervisor();
};

}  // namespace prosodia::launch
