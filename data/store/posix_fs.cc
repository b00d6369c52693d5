#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "data/base/check.h"
#include "data/base/descriptor.h"
#include "data/store/fs.h"

namespace prosodia {
namespace {

using Path = FileSystem::Path;

template <class Call>
auto retry_eintr(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

// What a user named and cannot be read is their input, not a broken disk.
tl::unexpected<Error> read_error(const Path& path, std::string_view action, int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return fail(ErrorCode::kInvalidInput, "{}: no such file or folder: check the path", path.string());
    case EISDIR:
      return fail(ErrorCode::kInvalidInput, "{}: is a folder, a file was expected", path.string());
    case EACCES:
      return fail(ErrorCode::kInvalidInput, "{}: cannot {}: {}: make it readable for this user", path.string(), action,
                  std::strerror(error_number));
    default:
      return storage_error(path, action, error_number);
  }
}

Descriptor open_descriptor(const Path& path, int flags) {
  return Descriptor(retry_eintr([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); }));
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(Path path, Descriptor fd, uint64_t size)
      : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

  Status append(std::span<const std::byte> bytes) override {
    PROSODIA_CHECK(fd_.valid(), "append to closed {}", path_.string());
    while (!bytes.empty()) {
      const ssize_t written = retry_eintr([&] { return ::write(fd_.get(), bytes.data(), bytes.size()); });
      if (written < 0) return storage_error(path_, "write", errno);
      if (written == 0) return storage_error(path_, "write", ENOSPC);
      bytes = bytes.subspan(static_cast<size_t>(written));
      size_ += static_cast<uint64_t>(written);
    }
    return {};
  }
  Status sync() override {
    PROSODIA_CHECK(fd_.valid(), "sync of closed {}", path_.string());
    if (retry_eintr([&] { return ::fdatasync(fd_.get()); }) < 0) return storage_error(path_, "sync (fdatasync)", errno);
    return {};
  }
  Status close() override {
    if (const int error = fd_.close(); error != 0) return storage_error(path_, "close", error);
    return {};
  }
  uint64_t size() const override { return size_; }

 private:
  Path path_;
  Descriptor fd_;
  uint64_t size_;
};

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(Path path, Descriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Result<size_t> read(std::span<std::byte> buffer) override {
    size_t filled = 0;
    while (filled < buffer.size()) {
      const ssize_t got =
          retry_eintr([&] { return ::read(fd_.get(), buffer.data() + filled, buffer.size() - filled); });
      if (got < 0) return read_error(path_, "read", errno);
      if (got == 0) break;
      filled += static_cast<size_t>(got);
    }
    return filled;
  }

 private:
  Path path_;
  Descriptor fd_;
};

struct PosixFileLock final : FileLock {
  explicit PosixFileLock(Descriptor held) : fd(std::move(held)) {}
  Descriptor fd;  // the lock belongs to this open file description and ends with it
};

std::string lock_holder(int fd) {  // "process 123 on host", as the holder wrote it
  char text[256];
  const ssize_t got = ::pread(fd, text, sizeof(text), 0);
  std::string holder(text, got > 0 ? static_cast<size_t>(got) : 0);
  holder.erase(std::find(holder.begin(), holder.end(), '\n'), holder.end());
  return holder.empty() ? "another process" : holder;
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<WritableFile>> open_append(const Path& path, OpenMode mode) override {
    const int truncate = mode == OpenMode::kTruncate ? O_TRUNC : 0;
    Descriptor fd = open_descriptor(path, O_WRONLY | O_CREAT | O_APPEND | truncate);
    if (!fd.valid()) return storage_error(path, "open for writing", errno);
    struct stat info;
    if (::fstat(fd.get(), &info) < 0) return storage_error(path, "stat", errno);
    return std::make_unique<PosixWritableFile>(path, std::move(fd), static_cast<uint64_t>(info.st_size));
  }

  Result<std::unique_ptr<ReadableFile>> open_read(const Path& path) override {
    Descriptor fd = open_descriptor(path, O_RDONLY);
    if (!fd.valid()) return read_error(path, "open", errno);
    return std::make_unique<PosixReadableFile>(path, std::move(fd));
  }

  Result<bool> exists(const Path& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return read_error(path, "stat", errno);
  }

  Result<uint64_t> file_size(const Path& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) < 0) return read_error(path, "stat", errno);
    return static_cast<uint64_t>(info.st_size);
  }

  Result<std::vector<DirEntry>> list_dir(const Path& path) override {
    std::error_code error;
    std::filesystem::directory_iterator entries(path, error);
    std::vector<DirEntry> found;
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
      std::error_code gone;  // an entry may vanish between the listing and the stat
      found.push_back({entries->path().filename().string(), entries->is_directory(gone)});
    }
    if (error) return read_error(path, "list", error.value());
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return found;
  }

  Status create_dirs(const Path& path) override {
    if (path.empty() || ::access(path.c_str(), F_OK) == 0) return {};
    const Path parent = path.has_filename() ? path.parent_path() : path.parent_path().parent_path();
    PROSODIA_TRY(create_dirs(parent));
    if (::mkdir(path.c_str(), 0777) < 0 && errno != EEXIST) return storage_error(path, "create the folder", errno);
    return sync_dir(parent);
  }

  Status rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) < 0) return storage_error(to, "rename " + from.string() + " to it", errno);
    return {};
  }

  Status remove(const Path& path) override {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) return storage_error(path, "remove", errno);
    return {};
  }

  Status remove_all(const Path& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return storage_error(path, "remove", error.value());
    return {};
  }

  Status sync_dir(const Path& path) override {
    const Path folder = path.empty() ? Path(".") : path;
    Descriptor fd = open_descriptor(folder, O_RDONLY | O_DIRECTORY);
    if (!fd.valid()) return storage_error(folder, "open the folder", errno);
    if (retry_eintr([&] { return ::fsync(fd.get()); }) < 0) return storage_error(folder, "sync the folder", errno);
    return {};
  }

  Status sync_file(const Path& path) override {
    Descriptor fd = open_descriptor(path, O_RDONLY);
    if (!fd.valid()) return storage_error(path, "open", errno);
    if (retry_eintr([&] { return ::fsync(fd.get()); }) < 0) return storage_error(path, "sync (fsync)", errno);
    return {};
  }

  Status truncate(const Path& path, uint64_t size) override {
    Descriptor fd = open_descriptor(path, O_WRONLY);
    if (!fd.valid()) return storage_error(path, "open for writing", errno);
    if (retry_eintr([&] { return ::ftruncate(fd.get(), static_cast<off_t>(size)); }) < 0)
      return storage_error(path, "truncate", errno);
    if (retry_eintr([&] { return ::fsync(fd.get()); }) < 0) return storage_error(path, "sync (fsync)", errno);
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock_file(const Path& path) override {
    Descriptor fd = open_descriptor(path, O_RDWR | O_CREAT);
    if (!fd.valid()) return storage_error(path, "open the lock file", errno);
    struct flock request = {};  // open file description lock: works over NFS, held by this object, not the process
    request.l_type = F_WRLCK;
    request.l_whence = SEEK_SET;
    if (retry_eintr([&] { return ::fcntl(fd.get(), F_OFD_SETLK, &request); }) < 0) {
      if (errno == EAGAIN || errno == EACCES)
        return fail(ErrorCode::kUnavailable, "{}: in use by {}: stop that one first, or use another folder",
                    path.string(), lock_holder(fd.get()));
      return storage_error(path, "lock", errno);
    }
    char host[128] = "?";
    (void)::gethostname(host, sizeof(host) - 1);
    const std::string holder = fmt::format("process {} on {}\n", ::getpid(), host);
    // Only for the message above; the lock holds without it.
    if (::ftruncate(fd.get(), 0) < 0 || ::pwrite(fd.get(), holder.data(), holder.size(), 0) < 0)
      return storage_error(path, "write", errno);
    return std::make_unique<PosixFileLock>(std::move(fd));
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem fs;
  return fs;
}

}  // namespace prosodia
