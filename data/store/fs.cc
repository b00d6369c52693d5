#include "data/store/fs.h"

#include <cerrno>
#include <cstring>

#include "data/base/crc32c.h"

namespace prosodia {

Result<std::vector<std::byte>> FileSystem::read_file(const Path& path) {
  PROSODIA_ASSIGN(auto file, open_read(path));
  PROSODIA_ASSIGN(const uint64_t size, file_size(path));
  std::vector<std::byte> bytes(size + 1);  // one more, so that a file of the announced size ends in one call
  size_t filled = 0;
  while (true) {
    PROSODIA_ASSIGN(const size_t got, file->read(std::span(bytes).subspan(filled)));
    filled += got;
    if (filled < bytes.size()) break;
    bytes.resize(bytes.size() * 2);  // it grew meanwhile
  }
  bytes.resize(filled);
  return bytes;
}

Result<std::string> FileSystem::read_text(const Path& path) {
  PROSODIA_ASSIGN(const auto bytes, read_file(path));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<uint32_t> file_crc32c(FileSystem& fs, const std::filesystem::path& path) {
  PROSODIA_ASSIGN(auto file, fs.open_read(path));
  std::vector<std::byte> piece(1 << 20);
  uint32_t crc = 0;
  while (true) {
    PROSODIA_ASSIGN(const size_t got, file->read(piece));
    crc = crc32c(std::span(piece).first(got), crc);
    if (got < piece.size()) return crc;
  }
}

tl::unexpected<Error> storage_error(const std::filesystem::path& path, std::string_view action, int error_number) {
  const char* reason = std::strerror(error_number);
  const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return fail(
          ErrorCode::kStorage,
          "{}: cannot {}: {}: free space on its file system (df -h \"{}\"), then run the same command again: it "
          "goes on from what was saved",
          path.string(), action, reason, folder);
    case EACCES:
    case EPERM:
    case EROFS:
      return fail(ErrorCode::kStorage,
                  "{}: cannot {}: {}: make the folder writable for this user or choose another one", path.string(),
                  action, reason);
    case EMFILE:
    case ENFILE:
      return fail(ErrorCode::kStorage, "{}: cannot {}: {}: raise the limit of open files (ulimit -n)", path.string(),
                  action, reason);
    default:
      return fail(
          ErrorCode::kStorage,
          "{}: cannot {}: {}: check the disk (dmesg), then run the same command again: it goes on from what was "
          "saved",
          path.string(), action, reason);
  }
}

}  // namespace prosodia
