// Starts another program as a child process.
//
// Called by: data/corpus/child_process (espeak-ng), orchestrator/launch (the roles of a run). Thread rule: thread-safe;
// the child gets SIGKILL, which reaches stopped processes too, when the *thread* that called spawn ends (a rule of the
// Linux kernel).
// Failure rule: kUnavailable, naming the program, when it cannot be started or executed; no child is left then.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

struct SpawnOptions {
  std::vector<std::string> argv;         // argv[0] is a path, or a name looked up in PATH
  std::vector<std::string> environment;  // "NAME=value", added to ours; later ones win
  // The child's standard streams; -1: stdin reads /dev/null, the others are inherited.
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;
  std::vector<int> inherited_fds;  // stay open in the child under their numbers; all others close on exec
  bool own_process_group = false;  // Ctrl-C on the terminal does not reach it
};

Result<pid_t> spawn(const SpawnOptions& options);

}  // namespace prosodia
