#include "data/corpus/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include "data/base/descriptor.h"
#include "data/base/spawn.h"

namespace prosodia {
namespace {

constexpr size_t kKeptErrBytes = 4096;

struct Pipe {
  Descriptor read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail(ErrorCode::kInternal, "cannot make a pipe: {}", std::strerror(errno));
  return Pipe{Descriptor(fds[0]), Descriptor(fds[1])};
}

using Clock = std::chrono::steady_clock;

tl::unexpected<Error> too_slow(const std::string& program, const ChildLimits& limits) {
  return fail(ErrorCode::kUnavailable, "{} did not finish within {} ms", program, limits.time.count());
}

std::chrono::milliseconds left_until(Clock::time_point deadline) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
}

// The exit status; nothing when the child is alive at the deadline (it may have closed its streams and gone on).
std::optional<int> wait_until(pid_t pid, Clock::time_point deadline) {
  while (true) {
    int status = 0;
    const pid_t done = ::waitpid(pid, &status, WNOHANG);
    if (done == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (done < 0 && errno != EINTR) return 128;  // reaped by somebody else
    if (left_until(deadline).count() <= 0) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

// Reads both pipes until both end. They must be read together: a child that fills one while we wait on the other would
// never finish.
Status collect(Pipe& out, Pipe& err, const ChildLimits& limits, Clock::time_point deadline, const std::string& program,
               ChildOutput& result) {
  std::array<pollfd, 2> polled = {{{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
  std::array<std::byte, 65536> buffer;
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    const auto left = left_until(deadline);
    if (left.count() <= 0) return too_slow(program, limits);
    if (::poll(polled.data(), polled.size(), static_cast<int>(left.count())) < 0) {
      if (errno == EINTR) continue;  // revents are of an earlier call: a read that trusted them could block
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
  PROSODIA_ASSIGN(const pid_t pid,
                  spawn({.argv = arguments, .stdout_fd = out.write.get(), .stderr_fd = err.write.get()}));
  (void)out.write.close();  // ours; the pipes end when the child's copies close
  (void)err.write.close();
  ChildOutput result;
  const auto deadline = Clock::now() + limits.time;
  Status status = collect(out, err, limits, deadline, arguments[0], result);
  std::optional<int> exit_status;
  if (status) {
    exit_status = wait_until(pid, deadline);
    if (!exit_status) status = too_slow(arguments[0], limits);
  }
  if (!exit_status) {
    ::kill(pid, SIGKILL);
    (void)wait_until(pid, Clock::time_point::max());
  }
  if (!status) return tl::unexpected(status.error());
  result.exit_status = *exit_status;
  return result;
}

}  // namespace prosodia
