#include "orchestrator/launch/child.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "data/base/check.h"
#include "data/base/descriptor.h"
#include "data/base/spawn.h"

namespace prosodia::launch {

std::string ExitStatus::describe() const {
  if (!signalled) return fmt::format("exited with code {}", code);
  const char* signal_name = sigdescr_np(code);
  return fmt::format("was ended by signal {} ({})", code, signal_name ? signal_name : "unknown");
}

void remove_scratch(const ProcessSpec& spec) {
  std::error_code ignored;
  if (!spec.scratch.empty()) std::filesystem::remove_all(spec.scratch, ignored);
}

Result<Child> Child::start(const ProcessSpec& spec) {
  PROSODIA_CHECK(!spec.argv.empty(), "{}", spec.name);
  if (!spec.scratch.empty()) {
    remove_scratch(spec);
    std::error_code error;
    std::filesystem::create_directories(spec.scratch, error);
    if (error)
      return fail(ErrorCode::kStorage, "{}: cannot make the folder {}: {}", spec.name, spec.scratch.string(),
                  error.message());
  }
  Descriptor log;
  if (!spec.inherit_stdout && !spec.log.empty()) {
    log = Descriptor(open(spec.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!log.valid())
      return fail(ErrorCode::kStorage, "{}: cannot open the log: {}", spec.log.string(), std::strerror(errno));
  }
  const auto pid = spawn({.argv = spec.argv,
                          .environment = spec.environment,
                          .stdout_fd = log.get(),
                          .stderr_fd = log.get(),
                          .inherited_fds = spec.inherited_fds,
                          .own_process_group = true});
  if (!pid) return wrap(pid.error(), spec.name);
  return Child(*pid);
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
