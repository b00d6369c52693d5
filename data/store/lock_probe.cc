#include "data/store/lock_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "data/store/fs.h"

namespace prosodia {

Result<std::optional<std::string>> lock_holder(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return storage_error(path, "open", errno);
  }
  struct flock request = {};
  request.l_type = F_WRLCK;
  request.l_whence = SEEK_SET;
  const int rc = ::fcntl(fd, F_OFD_GETLK, &request);
  const int error = errno;
  char holder[256] = {};
  const ssize_t size = ::pread(fd, holder, sizeof holder - 1, 0);
  ::close(fd);
  if (rc < 0) return storage_error(path, "query the lock of", error);
  if (request.l_type == F_UNLCK) return std::optional<std::string>();
  std::string text(holder, size > 0 ? static_cast<size_t>(size) : 0);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return std::optional(text.empty() ? std::string("another process") : text);
}

}  // namespace prosodia
