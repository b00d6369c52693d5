#include "tests/fuzz/support.h"

#include <stdlib.h>

#include <fstream>

namespace prosodia::fuzz {
namespace {

struct ScratchDir {
  std::filesystem::path path;
  ScratchDir() {
    std::error_code error;
    const bool in_memory = std::filesystem::is_directory("/dev/shm", error);
    std::string pattern =
        (in_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/prosodia-fuzz-XXXXXX";
    PROSODIA_CHECK(::mkdtemp(pattern.data()) != nullptr, "cannot make {}", pattern);
    path = pattern;
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

}  // namespace

const std::filesystem::path& scratch_dir() {
  static const ScratchDir dir;
  return dir.path;
}

std::filesystem::path write_scratch(const std::string& name, Input contents) {
  const auto path = scratch_dir() / name;
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(contents.data()), static_cast<std::streamsize>(contents.size()));
  PROSODIA_CHECK(file.good(), "cannot write {}", path.string());
  return path;
}

void put_file(FileSystem& files, const std::filesystem::path& path, Input contents) {
  const auto file = files.open_append(path, OpenMode::kTruncate);
  PROSODIA_CHECK(file && (*file)->append(contents) && (*file)->sync() && files.sync_dir(path.parent_path()));
}

}  // namespace prosodia::fuzz
