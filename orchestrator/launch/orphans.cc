#include "orchestrator/launch/orphans.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/number.h"

namespace prosodia::launch {
namespace {

// The parent as /proc/PID/stat tells it: "PID (any name) STATE PPID …". 0 when the process is gone.
pid_t parent_of(const char* pid_text) {
  std::ifstream file(std::string("/proc/") + pid_text + "/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos || name_end + 4 >= line.size()) return 0;
  const std::string_view rest = std::string_view(line).substr(name_end + 4);
  return parse_integer<pid_t>(rest.substr(0, rest.find(' '))).value_or(0);
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return children;
  while (const dirent* entry = readdir(proc)) {
    const auto pid = parse_integer<pid_t>(entry->d_name);
    if (pid && parent_of(entry->d_name) == parent) children.push_back(*pid);
  }
  closedir(proc);
  return children;
}

}  // namespace

Subreaper::Subreaper() { prctl(PR_SET_CHILD_SUBREAPER, 1); }
Subreaper::~Subreaper() { prctl(PR_SET_CHILD_SUBREAPER, 0); }

int kill_orphans(const std::function<bool(pid_t)>& is_ours) {
  int found = 0;
  for (const pid_t pid : children_of(getpid())) {
    if (is_ours(pid)) continue;
    ++found;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, WNOHANG);
  }
  return found;
}

void end_with_parent() {
  const pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) std::_Exit(128 + SIGKILL);
}

}  // namespace prosodia::launch
