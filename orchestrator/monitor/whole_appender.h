// Appends pieces to a file whole or not at all: after a failed append (a full disk) the part that was written is cut
// off again before anything else goes in, so that one failure does not leave a broken line or record in the middle.
//
// Used by the JSONL files and the event file. Single thread. Failures: kStorage.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "data/store/fs.h"

namespace prosodia {

class WholeAppender {
 public:
  static Result<WholeAppender> open(FileSystem& fs, std::filesystem::path path, OpenMode mode) {
    PROSODIA_ASSIGN(auto file, fs.open_append(path, mode));
    PROSODIA_TRY(fs.sync_dir(path.parent_path()));
    return WholeAppender(fs, std::move(path), std::move(file));
  }
  Status append(std::span<const std::byte> piece) {
    if (torn_) PROSODIA_TRY(fs_->truncate(path_, good_bytes_));
    torn_ = true;
    PROSODIA_TRY(file_->append(piece));
    torn_ = false;
    good_bytes_ += piece.size();
    return {};
  }
  Status sync() { return file_->sync(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  WholeAppender(FileSystem& fs, std::filesystem::path path, std::unique_ptr<WritableFile> file)
      : fs_(&fs), path_(std::move(path)), file_(std::move(file)), good_bytes_(file_->size()) {}
  FileSystem* fs_;
  std::filesystem::path path_;
  std::unique_ptr<WritableFile> file_;
  uint64_t good_bytes_;  // up to the last whole piece
  bool torn_ = false;    // there may be a part of a piece after them
};

}  // namespace prosodia
