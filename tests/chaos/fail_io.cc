// A disk that fails, for a whole process tree: preloaded (LD_PRELOAD) it makes writes and syncs fail for files whose
// path contains a text. The file named by PROSODIA_FAIL_IO switches it on while it exists and says what fails:
//
//   CALL PATH-PART ERRNO        "sync /journal/ 5": fsync and fdatasync there return EIO; "write /checkpoints/ 28":
//   writes
//                               there return ENOSPC
#include <dlfcn.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// The error that `call` on `fd` shall give; 0 = none.
int planned_error(const char* call, int fd) {
  const char* file = std::getenv("PROSODIA_FAIL_IO");
  if (file == nullptr) return 0;
  const int kept = errno;
  int error = 0;
  if (std::FILE* plan = std::fopen(file, "re")) {
    char what[16] = "", part[256] = "", link[64], path[PATH_MAX] = "";
    int number = 0;
    std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const bool read = std::fscanf(plan, "%15s %255s %d", what, part, &number) == 3;
    const ssize_t size = readlink(link, path, sizeof path - 1);
    if (read && size > 0 && std::strcmp(what, call) == 0 && std::strstr(path, part) != nullptr) error = number;
    std::fclose(plan);
  }
  errno = kept;
  return error;
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, size_t count) {
  static auto* real = next<ssize_t(int, const void*, size_t)>("write");
  if (const int error = planned_error("write", fd)) return errno = error, -1;
  return real(fd, bytes, count);
}

ssize_t writev(int fd, const iovec* parts, int count) {
  static auto* real = next<ssize_t(int, const iovec*, int)>("writev");
  if (const int error = planned_error("write", fd)) return errno = error, -1;
  return real(fd, parts, count);
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  static auto* real = next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  if (const int error = planned_error("write", fd)) return errno = error, -1;
  return real(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) { return pwrite64(fd, bytes, count, offset); }

int fsync(int fd) {
  static auto* real = next<int(int)>("fsync");
  if (const int error = planned_error("sync", fd)) return errno = error, -1;
  return real(fd);
}

int fdatasync(int fd) {
  static auto* real = next<int(int)>("fdatasync");
  if (const int error = planned_error("sync", fd)) return errno = error, -1;
  return real(fd);
}

}  // extern "C"
