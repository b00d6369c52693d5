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

namespace prosodia::launch {
namespace {

constexpr const char* kVariable = "PROSODIA_SUPERVISOR_FD";
constexpr const char* kFifoVariable = "PROSODIA_SUPERVISOR_FIFO";
constexpr std::string_view kAlive = "alive", kReplace = "replace ";

// The number in PROSODIA_SUPERVISOR_FD, or none when it leads elsewhere (the variable was passed on by somebody else): it
// must not be written to then.
Descriptor inherited_pipe() {
  const char* text = std::getenv(kVariable);
  if (text == nullptr) return Descriptor();
  const int fd = std::atoi(text);
  struct stat info {};
  const int flags = fcntl(fd, F_GETFL);
  if (fd <= STDERR_FILENO || flags < 0 || (flags & O_NONBLOCK) == 0) return Descriptor();
  if (fstat(fd, &info) != 0 || !S_ISFIFO(info.st_mode)) return Descriptor();
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return Descriptor(fd);
}

// The FIFO of PROSODIA_SUPERVISOR_FIFO, or none when nobody reads it or it is something else.
Descriptor named_fifo() {
  const char* path = std::getenv(kFifoVariable);
  if (path == nullptr) return Descriptor();
  Descriptor fifo(::open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (!fifo.valid() || fstat(fifo.get(), &info) != 0 || !S_ISFIFO(info.st_mode)) return Descriptor();
  return fifo;
}

}  // namespace

Result<SupervisorLine> SupervisorLine::open() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
    return fail(ErrorCode::kUnavailable, "cannot make a pipe: {}", std::strerror(errno));
  return SupervisorLine(Descriptor(fds[0]), Descriptor(fds[1]));
}

std::string SupervisorLine::environment() const { return fmt::format("{}={}", kVariable, write_end_.get()); }

std::vector<SupervisorLine::Report> SupervisorLine::read() {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(read_end_.get(), buffer.data(), buffer.size());
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

SupervisorReporter::SupervisorReporter() : write_end_(named_fifo()) {
  if (!write_end_.valid()) write_end_ = inherited_pipe();
}

void SupervisorReporter::alive() const { write_line(std::string(kAlive)); }

void SupervisorReporter::replace(std::string_view name, std::string_view reason) const {
  write_line(fmt::format("{}{} {}", kReplace, name, reason));
}

void SupervisorReporter::write_line(std::string line) const {
  if (!write_end_.valid()) return;
  for (char& c : line)
    if (c == '\n') c = ' ';
  line.resize(std::min(line.size(), size_t{PIPE_BUF - 1}));
  line += '\n';
  (void)!::write(write_end_.get(), line.data(), line.size());
}

}  // namespace prosodia::launch
