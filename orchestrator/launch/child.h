// One child process of the supervisor: started with its output in a log file (or inherited), in a process group of its
// own (Ctrl-C reaches the supervisor alone, which then stops the others in order), and killed when the supervisor dies.
// Owned by the supervisor's thread; not thread-safe.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/base/status.h"

namespace prosodia::launch {

struct ProcessSpec {
  std::string name;                      // for messages and reports: "rollout-1"
  std::vector<std::string> argv;         // argv[0] is a path or is looked up in PATH
  std::vector<std::string> environment;  // "NAME=value", added to the parent's
  std::filesystem::path log;             // stdout and stderr are appended here; empty = inherited
  bool inherit_stdout = false;           // keep stdout on the terminal, stderr too; the log is then unused
  std::vector<int> inherited_fds;        // stay open in the child
  // A folder of its temporary files: made anew before every start, removed when it has ended, so that a killed process
  // leaves nothing. Empty = none.
  std::filesystem::path scratch;
};

struct ExitStatus {
  bool signalled = false;
  int code = 0;  // exit code, or the signal's number
  bool success() const { return !signalled && code == 0; }
  std::string describe() const;  // "exited with code 3", "was ended by signal 9 (Killed)"
};

class Child {
 public:
  // kUnavailable when the program cannot be executed, kStorage when log or scratch folder cannot be made. The child
  // is killed when the calling thread ends.
  static Result<Child> start(const ProcessSpec& spec);

  pid_t pid() const { return pid_; }
  // Its end, if it has ended; never blocks. Once it has returned a value it must not be called again.
  std::optional<ExitStatus> poll();
  void signal(int signal) const;

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

// Removes what is left in the scratch folder of a process that has ended.
void remove_scratch(const ProcessSpec& spec);

}  // namespace prosodia::launch
