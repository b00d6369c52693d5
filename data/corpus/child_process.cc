#include "data/corpus/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

extern char** environ;

namespace prosodia {
namespace {

constexpr size_t kKeptErrBytes = 4096;

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail(ErrorCode::kInternal, "cannot make a pipe: {}", std::strerror(errno));
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

Result<pid_t> spawn(const std::vector<std::string>& arguments, int out_fd, int err_fd) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail(ErrorCode::kUnavailable, "cannot start {}: {}", arguments[0], std::strerror(error));
  return pid;
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Reads both pipes until both end. They must be read together: a child that fills one while we wait on the other would
// never finish.
Status collect(Pipe& out, Pipe& err, const ChildLimits& limits, const std::string& program, ChildOutput& result) {
  const auto deadline = std::chrono::steady_clock::now() + limits.time;
  std::array<pollfd, 2> polled = {{{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
  std::array<std::byte, 65536> buffer;
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      return fail(ErrorCode::kUnavailable, "{} did not finish within {} ms", program, limits.time.count());
    }
    if (::poll(polled.data(), polled.size(), static_cast<int>(left.count())) < 0 && errno != EINTR) {
      return fail(ErrorCode::kInternal, "cannot wait for {}: {}", program, std::strerror(errno));
    }
    for (size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].fd < 0 || polled[i].revents == 0) continue;
      const ssize_t got = ::read(polled[i].fd, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        polled[i].fd = -1;
        continue;
      }
      const auto size = static_cast<size_t>(got);
      if (i == 0) {
        result.out.insert(result.out.end(), buffer.begin(), buffer.begin() + got);
      } else {
        result.err.append(reinterpret_cast<const char*>(buffer.data()), size);
        if (result.err.size() > kKeptErrBytes) result.err.erase(0, result.err.size() - kKeptErrBytes);
      }
    }
    if (result.out.size() > limits.out_bytes) {
      return fail(ErrorCode::kUnavailable, "{} wrote more than {} bytes", program, limits.out_bytes);
    }
  }
  return {};
}

}  // namespace

Result<ChildOutput> run_program(const std::vector<std::string>& arguments, const ChildLimits& limits) {
  if (arguments.empty()) return fail(ErrorCode::kUsage, "no program to run");
  PROSODIA_ASSIGN(Pipe out, make_pipe());
  PROSODIA_ASSIGN(Pipe err, make_pipe());
  PROSODIA_ASSIGN(const pid_t pid, spawn(arguments, out.write.get(), err.write.get()));
  out.write.close();  // ours; the pipes end when the child's copies close
  err.write.close();
  ChildOutput result;
  const Status collected = collect(out, err, limits, arguments[0], result);
  if (!collected) ::kill(pid, SIGKILL);
  result.exit_status = wait_for(pid);
  if (!collected) return tl::unexpected(collected.error());
  return result;
}

}  // namespace prosodia
