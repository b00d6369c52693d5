// One child process: started with its output in a log file (or inherited) and told to end when its parent dies.
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
  std::string name;                      // for messages: "rollout-1"
  std::vector<std::string> argv;         // argv[0] is a path or is looked up in PATH
  std::vector<std::string> environment;  // "NAME=value", added to the parent's
  std::filesystem::path log;             // stdout and stderr are appended here; empty = inherited
  bool inherit_stdout = false;           // keep stdout on the terminal, stderr too; the log is then unused
};

struct ExitStatus {
  bool signalled = false;
  int code = 0;  // exit code, or the signal's number
  bool success() const { return !signalled && code == 0; }
  std::string describe() const;  // "exited with code 3", "was killed by signal 9"
};

class Child {
 public:
  // Forks and executes. kUnavailable when the program cannot be executed, kStorage when the log cannot be opened.
  // The child receives SIGTERM when the calling thread ends.
  static Result<Child> start(const ProcessSpec& spec);

  pid_t pid() const { return pid_; }
  // Its end, if it has ended; never blocks. Once it has returned a value it must not be called again.
  std::optional<ExitStatus> poll();
  void signal(int signal) const;

 private:
  explicit Child(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace prosodia::launch
