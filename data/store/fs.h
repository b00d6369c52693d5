// All file access of the journal, the checkpoints and the atomic files goes through this interface, so that tests can
// fail the N-th call, drop or tear unsynced bytes and "lose power" (testing/faulty_file_system.h).
//
// Called by data/store, the coordinator, the learner and the monitor. A FileSystem is thread-safe; a file object
// belongs to one thread at a time. Failures: reading something that is not there or not readable is kInvalidInput;
// everything else the disk refuses is kStorage (exit code 5), and the message names the file and what to do next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

// An append-only file. A failed append or sync is final: the contents are unknown from then on, so the owner gives up
// the file (Linux may mark pages clean after a failed fsync; a second fsync that succeeds would prove nothing).
class WritableFile {
 public:
  virtual ~WritableFile() = default;                      // closes without syncing
  virtual Status append(std::span<const std::byte>) = 0;  // all bytes or an error; not durable before sync()
  virtual Status sync() = 0;                              // on OK everything appended is durable (fdatasync)
  virtual Status close() = 0;                             // idempotent; does not sync
  virtual uint64_t size() const = 0;                      // bytes in the file, including those it was opened with
};

// Sequential reads. read() fills `buffer` unless the file ends first; a short count means end of file.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual Result<size_t> read(std::span<std::byte> buffer) = 0;
};

class FileLock {
 public:
  virtual ~FileLock() = default;  // releases; the lock also ends with the process
};

enum class OpenMode { kAppend, kTruncate };  // both create the file when it is missing

struct DirEntry {
  std::string name;
  bool is_directory = false;
  friend bool operator==(const DirEntry&, const DirEntry&) = default;
};

class FileSystem {
 public:
  using Path = std::filesystem::path;
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<WritableFile>> open_append(const Path&, OpenMode) = 0;
  virtual Result<std::unique_ptr<ReadableFile>> open_read(const Path&) = 0;
  virtual Result<bool> exists(const Path&) = 0;
  virtual Result<uint64_t> file_size(const Path&) = 0;
  virtual Result<std::vector<DirEntry>> list_dir(const Path&) = 0;  // sorted by name
  virtual Status create_dirs(const Path&) = 0;                      // durable on OK: every new entry's parent is synced
  virtual Status rename(const Path& from, const Path& to) = 0;      // atomic; durable after sync_dir of the parents
  virtual Status remove(const Path&) = 0;                           // one file; missing is OK
  virtual Status remove_all(const Path&) = 0;                       // a tree; missing is OK
  virtual Status sync_dir(const Path&) = 0;                         // makes creations, renames, removals durable
  virtual Status sync_file(const Path&) = 0;                        // makes what any process wrote to it durable
  virtual Status truncate(const Path&, uint64_t size) = 0;          // durable on OK
  // One holder among all processes, without waiting. kUnavailable names the holder when the lock is taken.
  virtual Result<std::unique_ptr<FileLock>> lock_file(const Path&) = 0;

  // The whole file. Meant for files that fit in memory several times.
  Result<std::vector<std::byte>> read_file(const Path&);
  Result<std::string> read_text(const Path&);
};

// The real one; lives as long as the process.
FileSystem& posix_file_system();

// CRC-32C of a file's contents, read in pieces.
Result<uint32_t> file_crc32c(FileSystem&, const std::filesystem::path&);

// The error for a failed system call, with advice by errno; `action` reads like "write", "fsync", "create".
tl::unexpected<Error> storage_error(const std::filesystem::path&, std::string_view action, int error_number);

inline std::span<const std::byte> as_byte_span(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace prosodia
