// What several fuzz targets need: reading choices from the input, a scratch folder, and `require`, the targets' own
// check.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "data/base/bytes.h"
#include "data/base/check.h"
#include "data/store/fs.h"
#include "tests/fuzz/targets.h"

namespace prosodia::fuzz {

inline std::string_view as_text(Input input) { return {reinterpret_cast<const char*>(input.data()), input.size()}; }

// Turns the input into a series of decisions. Past its end everything is zero or empty.
class Choices {
 public:
  explicit Choices(Input input) : reader_(input) {}
  template <class T>
  T take() {
    return reader_.remaining() < sizeof(T) ? T{} : reader_.get<T>();
  }
  // 0 … bound - 1
  size_t below(size_t bound) { return take<uint8_t>() % bound; }
  bool one_in(size_t n) { return below(n) == n - 1; }  // false at the input's end
  // A piece of at most `max_bytes`; its length comes first.
  Input bytes(size_t max_bytes) {
    const size_t wanted = take<uint16_t>() % (max_bytes + 1);
    return reader_.get_bytes(std::min(wanted, reader_.remaining()));
  }
  std::string text(size_t max_bytes) { return std::string(as_text(bytes(max_bytes))); }
  Input rest() { return reader_.get_bytes(reader_.remaining()); }
  bool empty() const { return reader_.remaining() == 0; }

 private:
  ByteReader reader_;
};

// A folder of this process in memory where the system has one (/dev/shm), removed at exit. For readers that take a
// path.
const std::filesystem::path& scratch_dir();
std::filesystem::path write_scratch(const std::string& name, Input contents);
// A durable file in a file system of a test.
void put_file(FileSystem& files, const std::filesystem::path& path, Input contents);

}  // namespace prosodia::fuzz
