#include "data/base/spawn.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "data/base/check.h"

namespace prosodia {
namespace {

// What the child needs, prepared before fork: afterwards only async-signal-safe calls are allowed.
struct Plan {
  const SpawnOptions& options;
  char* const* argv;
  char* const* environment;
  int error_fd;
  pid_t parent;
};

[[noreturn]] void execute(const Plan& plan) {
  const SpawnOptions& options = plan.options;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != plan.parent) _exit(127);  // the parent died before prctl
  const int stdin_fd = options.stdin_fd >= 0 ? options.stdin_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (stdin_fd >= 0) dup2(stdin_fd, STDIN_FILENO);
  if (options.stdout_fd >= 0) dup2(options.stdout_fd, STDOUT_FILENO);
  if (options.stderr_fd >= 0) dup2(options.stderr_fd, STDERR_FILENO);
  for (const int fd : options.inherited_fds) fcntl(fd, F_SETFD, 0);
  if (options.own_process_group) setpgid(0, 0);
  std::signal(SIGPIPE, SIG_DFL);  // ignored signals stay ignored across exec
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(plan.argv[0], plan.argv, plan.environment);
  const int error = errno;
  (void)!write(plan.error_fd, &error, sizeof error);
  _exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const std::vector<std::string>& additions) {
  const auto name_of = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
  std::vector<std::string> result;
  for (char** entry = environ; *entry; ++entry) {
    bool replaced = false;
    for (const std::string& addition : additions) replaced |= name_of(addition) == name_of(*entry);
    if (!replaced) result.emplace_back(*entry);
  }
  result.insert(result.end(), additions.begin(), additions.end());
  return result;
}

// 0 when exec succeeded (which closes the pipe), else its errno.
int read_exec_error(int fd) {
  int error = 0;
  ssize_t got;
  do got = read(fd, &error, sizeof error);
  while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof error) ? error : 0;
}

}  // namespace

Result<pid_t> spawn(const SpawnOptions& options) {
  PROSODIA_CHECK(!options.argv.empty(), "no program to start");
  const std::vector<std::string> environment = environment_with(options.environment);
  const auto argv = pointers(options.argv), envp = pointers(environment);
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0)
    return fail(ErrorCode::kUnavailable, "cannot start {}: pipe: {}", options.argv[0], std::strerror(errno));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) execute({options, argv.data(), envp.data(), pipe_fds[1], parent});
  const int fork_error = errno;
  close(pipe_fds[1]);
  const int error = pid < 0 ? fork_error : read_exec_error(pipe_fds[0]);
  close(pipe_fds[0]);
  if (error == 0) return pid;
  if (pid > 0) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  return fail(ErrorCode::kUnavailable, "cannot start {}: {}", options.argv[0], std::strerror(error));
}

}  // namespace prosodia
