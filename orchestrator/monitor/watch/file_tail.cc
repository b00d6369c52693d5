#include "orchestrator/monitor/watch/file_tail.h"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace prosodia::watch {
namespace {

// Bytes [begin, end) of the file, or fewer when it became shorter meanwhile.
std::string read_range(std::ifstream& file, uint64_t begin, uint64_t end) {
  std::string bytes(end - begin, '\0');
  file.clear();
  file.seekg(static_cast<std::streamoff>(begin));
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return bytes;
}

}  // namespace

Result<FileTail::News> FileTail::poll() {
  News news;
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path_, error);
  if (error) {
    if (error != std::errc::no_such_file_or_directory)
      return fail(ErrorCode::kStorage, "{}: {}", path_.string(), error.message());
    news.anew = offset_ > 0;
    offset_ = 0;
    return news;
  }
  std::ifstream file(path_, std::ios::binary);
  if (!file) return fail(ErrorCode::kStorage, "{}: cannot read: {}", path_.string(), std::strerror(errno));
  const bool same = size >= offset_ && read_range(file, offset_ - last_line_.size(), offset_) == last_line_;
  bool drop_first = false;  // the first line is not whole
  if (offset_ == 0 || !same) {
    news.anew = offset_ > 0;
    offset_ = size > max_bytes_ ? size - max_bytes_ : 0;
    drop_first = offset_ > 0;
    last_line_.clear();
  }
  const std::string bytes = read_range(file, offset_, std::max(size, offset_));
  size_t begin = 0;
  for (size_t end; (end = bytes.find('\n', begin)) != std::string::npos; begin = end + 1) {
    if (!drop_first) news.lines.push_back(bytes.substr(begin, end - begin));
    drop_first = false;
    last_line_ = bytes.substr(begin, end + 1 - begin);
  }
  offset_ += begin;
  return news;
}

}  // namespace prosodia::watch
