#include "data/store/atomic_file.h"

#include "data/base/check.h"

namespace prosodia {

AtomicFile::AtomicFile(FileSystem& fs, std::filesystem::path target, std::filesystem::path temporary,
                       std::unique_ptr<WritableFile> file)
    : fs_(&fs), target_(std::move(target)), temporary_(std::move(temporary)), file_(std::move(file)) {}

Result<AtomicFile> AtomicFile::create(FileSystem& fs, std::filesystem::path target) {
  PROSODIA_CHECK(target.has_filename(), "not a file name: {}", target.string());
  std::filesystem::path temporary = target.parent_path() / ("." + target.filename().string() + ".tmp");
  PROSODIA_ASSIGN(auto file, fs.open_append(temporary, OpenMode::kTruncate));
  return AtomicFile(fs, std::move(target), std::move(temporary), std::move(file));
}

AtomicFile::~AtomicFile() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)fs_->remove(temporary_);  // a leftover does no harm: the next writer truncates it
}

Status AtomicFile::commit() {
  PROSODIA_TRY(file_->sync());
  PROSODIA_TRY(file_->close());
  PROSODIA_TRY(fs_->rename(temporary_, target_));
  file_.reset();
  return fs_->sync_dir(target_.parent_path());
}

Status write_file_atomic(FileSystem& fs, const std::filesystem::path& path, std::span<const std::byte> contents) {
  PROSODIA_ASSIGN(auto file, AtomicFile::create(fs, path));
  PROSODIA_TRY(file.append(contents));
  return file.commit();
}

Status write_file_atomic(FileSystem& fs, const std::filesystem::path& path, std::string_view contents) {
  return write_file_atomic(fs, path, as_byte_span(contents));
}

}  // namespace prosodia
