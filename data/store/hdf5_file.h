// The thin layer over HDF5's C API: one lock, owned handles, errors as text.
//
// Called by: everything in the process that touches HDF5 (corpora, the rollout archive). Debian's library is not
// thread-safe, so every call into it, and the destruction of every handle, happens while holding lock(). HDF5 is no
// journal: write a file under a temporary name, close it, fsync it, rename it, fsync the folder. Failure rule:
// functions return an Error whose message names file and object and quotes HDF5's own innermost words.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/base/status.h"

namespace prosodia::hdf5 {

// The process-wide lock. Also turns off HDF5's habit of printing its error stack.
[[nodiscard]] std::unique_lock<std::mutex> lock();

// HDF5's innermost error description; clears it. Never empty.
std::string last_error();

// Owns one hid_t. Movable.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), closer_(other.closer_) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      close();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
      closer_ = other.closer_;
    }
    return *this;
  }
  ~Handle() { close(); }
  // Closing a file may write; false when that failed.
  bool close() {
    const hid_t id = std::exchange(id_, H5I_INVALID_HID);
    return id < 0 || closer_(id) >= 0;
  }
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
  Closer closer_ = nullptr;
};

// New file with checksummed metadata (format of HDF5 1.10).
Result<Handle> create_file(const std::string& path);
Result<Handle> open_file(const std::string& path);  // read-only

Status make_group(const Handle& file, const std::string& name);

// One-dimensional datasets. `name` may have a group in front ("measured/energy_dbfs").
template <class T>
struct NativeType;  // id(): the memory type; the file type is the same in little-endian
#define PROSODIA_HDF5_TYPE(type, memory, file) \
  template <>                                  \
  struct NativeType<type> {                    \
    static hid_t id() { return memory; }       \
    static hid_t file_id() { return file; }    \
  }
PROSODIA_HDF5_TYPE(uint8_t, H5T_NATIVE_UINT8, H5T_STD_U8LE);
PROSODIA_HDF5_TYPE(int16_t, H5T_NATIVE_INT16, H5T_STD_I16LE);
PROSODIA_HDF5_TYPE(int32_t, H5T_NATIVE_INT32, H5T_STD_I32LE);
PROSODIA_HDF5_TYPE(uint32_t, H5T_NATIVE_UINT32, H5T_STD_U32LE);
PROSODIA_HDF5_TYPE(uint64_t, H5T_NATIVE_UINT64, H5T_STD_U64LE);
PROSODIA_HDF5_TYPE(float, H5T_NATIVE_FLOAT, H5T_IEEE_F32LE);
PROSODIA_HDF5_TYPE(double, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE);
#undef PROSODIA_HDF5_TYPE

// An empty dataset that grows.
Result<Handle> create_growing(const Handle& file, const std::string& name, hid_t file_type, uint64_t chunk);
Status append_raw(const Handle& dataset, hid_t memory_type, uint64_t old_size, uint64_t count, const void* values);
// `row` > 1: a table of count / row rows.
Status write_raw(const Handle& file, const std::string& name, hid_t file_type, hid_t memory_type, uint64_t count,
                 const void* values, uint64_t row = 1);
Result<uint64_t> length(const Handle& dataset);
Result<Handle> open_dataset(const Handle& file, const std::string& name);
// Whether a dataset can have so many rows in this file; corpora are not compressed. A header can claim any extent, so
// this comes before memory for it.
Status check_stored(const Handle& dataset, uint64_t rows, uint64_t row_bytes);
// [begin, begin + count) of a one-dimensional dataset.
Status read_raw(const Handle& dataset, hid_t memory_type, uint64_t begin, uint64_t count, void* values);

template <class T>
Status write_column(const Handle& file, const std::string& name, std::span<const T> values) {
  return write_raw(file, name, NativeType<T>::file_id(), NativeType<T>::id(), values.size(), values.data());
}
// `expected`: the column must have this many rows, so a hostile header cannot make us allocate more.
template <class T>
Result<std::vector<T>> read_column(const Handle& file, const std::string& name, uint64_t expected) {
  PROSODIA_ASSIGN(const Handle dataset, open_dataset(file, name));
  PROSODIA_ASSIGN(const uint64_t rows, length(dataset));
  if (rows != expected) {
    return fail(ErrorCode::kCorruption, "/{} has {} rows, expected {}", name, rows, expected);
  }
  PROSODIA_TRY(check_stored(dataset, rows, sizeof(T)));
  std::vector<T> values(rows);
  PROSODIA_TRY(read_raw(dataset, NativeType<T>::id(), 0, rows, values.data()));
  return values;
}

// Tables of `row` values a row, flat; row 1: one-dimensional. The size is the file's, within the bytes it has; a
// missing dataset or another shape or type is kInvalidInput: the file is of another kind.
Result<uint64_t> table_size(const Handle& file, const std::string& name, hid_t memory_type, uint64_t row);
Status read_whole(const Handle& file, const std::string& name, hid_t memory_type, void* values);
template <class T>
Status write_table(const Handle& file, const std::string& name, const std::vector<T>& values, uint64_t row) {
  return write_raw(file, name, NativeType<T>::file_id(), NativeType<T>::id(), values.size(), values.data(), row);
}
template <class T>
Result<std::vector<T>> read_table(const Handle& file, const std::string& name, uint64_t row) {
  PROSODIA_ASSIGN(const uint64_t count, table_size(file, name, NativeType<T>::id(), row));
  std::vector<T> values(count);
  if (count > 0) PROSODIA_TRY(read_whole(file, name, NativeType<T>::id(), values.data()));
  return values;
}

// Fixed-length UTF-8 strings, as long as the longest: unlike HDF5's variable-length ones they lie in one checkable
// block.
Status write_strings(const Handle& file, const std::string& name, std::span<const std::string_view> values);
Result<std::vector<std::string>> read_strings(const Handle& file, const std::string& name, uint64_t expected);

Status write_attribute(const Handle& file, const std::string& name, std::string_view value);
Status write_attribute(const Handle& file, const std::string& name, uint64_t value);
Result<std::string> read_string_attribute(const Handle& file, const std::string& name);
Result<uint64_t> read_integer_attribute(const Handle& file, const std::string& name);

}  // namespace prosodia::hdf5
