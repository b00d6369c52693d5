// A file that appears whole or not at all: written under a temporary name (".NAME.tmp" beside it), fdatasync, rename,
// fsync of the directory. After a crash the old contents, the new contents, or neither file is there; never a part.
//
// Used for configurations, manifests, safetensors and reports. Single thread; one writer per path at a time. Failures
// are kStorage; the temporary file is removed, the old contents stay.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>

#include "data/store/fs.h"

namespace prosodia {

// Durable on OK.
Status write_file_atomic(FileSystem&, const std::filesystem::path&, std::span<const std::byte> contents);
Status write_file_atomic(FileSystem&, const std::filesystem::path&, std::string_view contents);

// The same for contents that do not fit in memory at once: append any number of times, then commit.
class AtomicFile {
 public:
  static Result<AtomicFile> create(FileSystem&, std::filesystem::path);
  AtomicFile(AtomicFile&&) noexcept = default;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // without commit(): removes the temporary file

  Status append(std::span<const std::byte> bytes) { return file_->append(bytes); }
  Status commit();  // once; durable on OK

 private:
  AtomicFile(FileSystem&, std::filesystem::path target, std::filesystem::path temporary, std::unique_ptr<WritableFile>);
  FileSystem* fs_;
  std::filesystem::path target_, temporary_;
  std::unique_ptr<WritableFile> file_;  // null once committed or moved from
};

}  // namespace prosodia
