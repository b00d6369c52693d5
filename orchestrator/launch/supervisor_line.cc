#include "orchestrator/launch/supervisor_line.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace prosodia::launch {
namespace {

constexpr const char* kVariable = "PROSODIA_SUPERVISOR_FD";
constexpr const char* kFifoVariable = "PROSODIA_SUPERVISOR_FIFO";
constexpr std::string_view kAlive = "alive", kReplace = "replace ";

// The number in PROSODIA_SUPERVISOR_FD, or -1 when it leads elsewhere (the variable was passed on by somebody else): it
// must not be written to then.
int inherited_pipe() {
  const char* text = std::getenv(kVariable);
  if (text == nullptr) return -1;
  const int fd = std::atoi(text);
  struct stat info {};
  const int flags = fcntl(fd, F_GETFL);
  if (fd <= STDERR_FILENO || flags < 0 || (flags & O_NONBLOCK) == 0) return -1;
  if (fstat(fd, &info) != 0 || !S_ISFIFO(info.st_mode)) return -1;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

// The FIFO of PROSODIA_SUPERVISOR_FIFO, or -1 when nobody reads it or it is something else.
int named_fifo() {
  const char* path = std::getenv(kFifoVariable);
  if (path == nullptr) return -1;
  const int fd = ::open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  struct stat info {};
  if (fd < 0 || (fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode))) return fd;
  close(fd);
  return -1;
}

}  // namespace

Result<SupervisorLine> SupervisorLine::open() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
    return fail(ErrorCode::kUnavailable, "cannot make a pipe: {}", std::strerror(errno));
  return SupervisorLine(fds[0], fds[1]);
}

SupervisorLine::SupervisorLine(SupervisorLine&& other) noexcept
    : read_fd_(std::exchange(other.read_fd_, -1)),
      write_fd_(std::exchange(other.write_fd_, -1)),
      partial_(std::move(other.partial_)) {}

SupervisorLine::~SupervisorLine() {
  if (read_fd_ >= 0) close(read_fd_);
  if (write_fd_ >= 0) close(write_fd_);
}

std::string SupervisorLine::environment() const { return fmt::format("{}={}", kVariable, write_fd_); }

std::vector<SupervisorLine::Report> SupervisorLine::read() {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(read_fd_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    partial_.append(buffer.data(), static_cast<size_t>(got));
  }
  std::vector<Report> reports;
  size_t begin = 0;
  for (size_t end; (end = partial_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string_view line = std::string_view(partial_).substr(begin, end - begin);
    if (line == kAlive) {
      reports.push_back({.alive = true, .name = {}, .reason = {}});
    } else if (line.starts_with(kReplace)) {
      const std::string_view rest = line.substr(kReplace.size());
      const size_t space = rest.find(' ');
      const std::string_view reason = space == std::string_view::npos ? "" : rest.substr(space + 1);
      reports.push_back({.alive = false, .name = std::string(rest.substr(0, space)), .reason = std::string(reason)});
    }
  }
  partial_.erase(0, begin);
  if (partial_.size() > size_t{PIPE_BUF}) partial_.clear();  // no line of ours
  return reports;
}

SupervisorReporter::SupervisorReporter() : fd_(named_fifo()) {
  if (fd_ < 0) fd_ = inherited_pipe();
}

SupervisorReporter::~SupervisorReporter() {
  if (fd_ >= 0) close(fd_);
}

void SupervisorReporter::alive() const { write_line(std::string(kAlive)); }

void SupervisorReporter::replace(std::string_view name, std::string_view reason) const {
  write_line(fmt::format("{}{} {}", kReplace, name, reason));
}

void SupervisorReporter::write_line(std::string line) const {
  if (fd_ < 0) return;
  for (char& c : line)
    if (c == '\n') c = ' ';
  line.resize(std::min(line.size(), size_t{PIPE_BUF - 1}));
  line += '\n';
  (void)!::write(fd_, line.data(), line.size());
}

}  // namespace prosodia::launch
