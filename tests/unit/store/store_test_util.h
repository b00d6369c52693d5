// Shared by the tests of data/store.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/store/fs.h"

namespace prosodia {

inline std::vector<std::byte> to_bytes(std::string_view text) {
  const auto span = as_byte_span(text);
  return {span.begin(), span.end()};
}
inline std::string to_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A folder that goes away with the test.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "prosodia-store-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path golden_dir() {
  const char* source = std::getenv("PROSODIA_SOURCE_DIR");
  return std::filesystem::path(source ? source : ".") / "tests/golden/store";
}

// Every file below `dir`, to see that nothing changed.
inline std::map<std::string, std::string> snapshot(FileSystem& fs, const std::filesystem::path& dir) {
  std::map<std::string, std::string> files;
  const auto entries = fs.list_dir(dir);
  if (!entries) return files;
  for (const DirEntry& entry : *entries) {
    if (entry.is_directory)
      files.merge(snapshot(fs, dir / entry.name));
    else
      files[(dir / entry.name).string()] = fs.read_text(dir / entry.name).value();
  }
  return files;
}

}  // namespace prosodia
