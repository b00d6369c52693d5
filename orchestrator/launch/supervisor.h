// The local supervisor of `prosodia train`: starts the coordinator, the workers and the learner group as child
// processes, starts those that fail again, and ends all of them with the run.
//
//   leader (the coordinator)  exit 0          -> the run is complete: the others are told to end
//                             2, 3, 4, 5, 6   -> final: the others are told to end, the code is the run's. 4 too: the
//                                                coordinator itself decides when workers have failed often enough
//                             otherwise       -> (a signal, an abort) started again
//   any other process         exit 0          -> has been told that the run ended; not started again
//                             2, 3, 5         -> final, as above: starting it again cannot help
//                             otherwise       -> started again with backoff; after max_restarts the run stops with 4
//
// The leader's final codes, the signal that asks it to stop, and a file in place of the line are options, so that a
// group of ranks can lead itself (`sft`).
//
// Alive but stuck: the leader reports processes that make no progress over a SupervisorLine, and that it is alive
// itself; both kinds are killed with SIGKILL, which also ends stopped ones, and then started again like any other.
//
// After a stop request nothing is started again: a leader that ends in any other way than the final ones ends the run
// with code 6 (interrupted), other processes may end as they like. What does not end in time is killed. A second
// signal kills everything at once.
//
// Nothing is left behind: children die with the supervisor (even when it is killed), what they leave is found and
// killed, their scratch folders are removed. A learner group is one child (its mpirun); its ranks stand and fall
// together. Single thread: the one that calls run().
#pragma once

#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <vector>

#include "orchestrator/launch/child.h"
#include "orchestrator/launch/orphans.h"
#include "orchestrator/launch/restart_policy.h"
#include "orchestrator/launch/supervisor_line.h"

namespace prosodia::launch {

struct SupervisorOptions {
  RestartOptions restart;
  int64_t grace_ms = 15'000;           // between SIGTERM and SIGKILL for the processes that remain
  int64_t leader_stop_ms = 150'000;    // for the leader to end the run in order after a stop request
  int64_t leader_silence_ms = 60'000;  // a leader that reported "alive" once and then nothing for so long is stuck
  // A leader that cannot reach the line (ranks under mpirun) reports "alive" by touching this file; empty = none.
  std::filesystem::path leader_heartbeat;
  std::vector<int> leader_final_codes = {2, 3, 4, 5};  // besides 0 and 6
  int leader_stop_signal = SIGTERM;                    // how a stop request reaches it
  // Told every start, end and restart, as one line for people.
  std::function<void(const std::string&)> log = [](const std::string&) {};
};

class Supervisor {
 public:
  Supervisor(SupervisorOptions options, ProcessSpec leader, std::vector<ProcessSpec> others);
  ~Supervisor();

  // Blocks until the run has ended and no child is left. When `stop` becomes true the leader gets SIGTERM once and ends
  // the run in order; when `kill_signal` becomes a signal's number everything is killed. Returns the run's exit code.
  int run(const std::atomic<bool>& stop, const std::atomic<int>& kill_signal);

 private:
  struct Entry;
  void start(Entry& entry);
  void on_exit(Entry& entry, const ExitStatus& status);
  void restart_later(Entry& entry, const std::string& how);
  void begin_shutdown(int code);
  void reap_and_restart();
  void hear_leader();
  bool leader_beat();
  bool is_final(const Entry& entry, const ExitStatus& status) const;
  void kill_stuck(Entry& entry, const std::string& why);
  void pass_on_stop();
  void kill_overdue();
  void kill_all();
  bool anything_alive() const;

  SupervisorOptions options_;
  Subreaper subreaper_;
  std::optional<SupervisorLine> line_;
  std::vector<Entry> entries_;  // [0] is the leader
  std::optional<int> final_code_;
  int64_t shutdown_ms_ = 0;
  int64_t leader_heard_ms_ = -1;                   // its last report since its start
  std::filesystem::file_time_type leader_beat_{};  // of leader_heartbeat, when last looked at
  int64_t stop_told_ms_ = -1;                      // the stop request was passed on to the leader
  bool killed_ = false;                            // what remained after the grace period
  bool look_for_orphans_ = false;
};

}  // namespace prosodia::launch
