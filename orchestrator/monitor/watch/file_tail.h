// Follows a text file that another process appends to, in whole lines. The file may be cut back (a resumed run writes
// its last steps again), replaced or absent: then it is read anew from its end.
//
// Single thread. A missing file has no lines; other failures are kStorage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/base/status.h"

namespace prosodia::watch {

class FileTail {
 public:
  // At the beginning, and when reading anew, at most the last `max_bytes` are read (from the first whole line on).
  FileTail(std::filesystem::path path, uint64_t max_bytes) : path_(std::move(path)), max_bytes_(max_bytes) {}

  struct News {
    bool anew = false;  // what was handed out before does not count any more
    std::vector<std::string> lines;
  };
  Result<News> poll();

 private:
  std::filesystem::path path_;
  uint64_t max_bytes_;
  uint64_t offset_ = 0;    // behind the last line handed out
  std::string last_line_;  // with its newline; what lies before offset_ when the file is the same
};

}  // namespace prosodia::watch
