#include "orchestrator/launch/child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "data/base/check.h"

namespace prosodia::launch {
namespace {

// Runs between fork and exec: only async-signal-safe calls.
[[noreturn]] void execute(char* const* argv, char* const* environment, int log_fd, int error_fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);  // the parent died before prctl
  if (log_fd >= 0) {
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
  }
  const int null_fd = open("/dev/null", O_RDONLY);
  if (null_fd >= 0) dup2(null_fd, STDIN_FILENO);
  // A process group of its own: Ctrl-C reaches the supervisor alone, which then stops the others in order.
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execvpe(argv[0], argv, environment);
  const int error = errno;
  (void)!write(error_fd, &error, sizeof error);
  _exit(127);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

std::string ExitStatus::describe() const {
  if (!signalled) return fmt::format("exited with code {}", code);
  const char* signal_name = sigdescr_np(code);
  return fmt::format("was ended by signal {} ({})", code, signal_name ? signal_name : "unknown");
}

Result<Child> Child::start(const ProcessSpec& spec) {
  PROSODIA_CHECK(!spec.argv.empty(), "{}", spec.name);
  int log_fd = -1;
  if (!spec.inherit_stdout && !spec.log.empty()) {
    log_fd = open(spec.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0)
      return fail(ErrorCode::kStorage, "{}: cannot open the log: {}", spec.log.string(), std::strerror(errno));
  }
  std::vector<std::string> environment;
  for (char** entry = environ; *entry; ++entry) environment.emplace_back(*entry);
  environment.insert(environment.end(), spec.environment.begin(), spec.environment.end());
  const auto argv = pointers(spec.argv), envp = pointers(environment);

  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return fail(ErrorCode::kUnavailable, "pipe: {}", std::strerror(errno));
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) execute(argv.data(), envp.data(), log_fd, pipe_fds[1], parent);
  const int fork_error = errno;
  close(pipe_fds[1]);
  if (log_fd >= 0) close(log_fd);
  if (pid < 0) {
    close(pipe_fds[0]);
    return fail(ErrorCode::kUnavailable, "cannot start {}: {}", spec.name, std::strerror(fork_error));
  }
  int exec_error = 0;
  ssize_t got;
  do got = read(pipe_fds[0], &exec_error, sizeof exec_error);
  while (got < 0 && errno == EINTR);
  close(pipe_fds[0]);
  if (got > 0) {
    waitpid(pid, nullptr, 0);
    return fail(ErrorCode::kUnavailable, "cannot start {} ({}): {}", spec.name, spec.argv[0],
                std::strerror(exec_error));
  }
  return Child(pid);
}

std::optional<ExitStatus> Child::poll() {
  int status = 0;
  const pid_t done = waitpid(pid_, &status, WNOHANG);
  if (done != pid_) return std::nullopt;
  if (WIFSIGNALED(status)) return ExitStatus{true, WTERMSIG(status)};
  return ExitStatus{false, WEXITSTATUS(status)};
}

void Child::signal(int signal) const { kill(pid_, signal); }

}  // namespace prosodia::launch
