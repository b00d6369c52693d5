// A thin, typed layer over HDF5's C library: one-dimensional arrays in groups. Private to the archive.
#pragma once

#include <hdf5.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

template <class T>
hid_t hdf5_type();
template <>
inline hid_t hdf5_type<uint8_t>() {
  return H5T_NATIVE_UINT8;
}
template <>
inline hid_t hdf5_type<uint32_t>() {
  return H5T_NATIVE_UINT32;
}
template <>
inline hid_t hdf5_type<uint64_t>() {
  return H5T_NATIVE_UINT64;
}
template <>
inline hid_t hdf5_type<int32_t>() {
  return H5T_NATIVE_INT32;
}
template <>
inline hid_t hdf5_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
inline hid_t hdf5_type<double>() {
  return H5T_NATIVE_DOUBLE;
}

// Closes an HDF5 id with the function of its kind.
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Hdf5Handle() { (void)close(); }
  herr_t close() { return id_ >= 0 ? close_(std::exchange(id_, -1)) : 0; }
  hid_t get() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

class Hdf5File {
 public:
  static Result<Hdf5File> create(const std::filesystem::path& path);
  static Result<Hdf5File> open(const std::filesystem::path& path);

  Status make_group(const std::string& name);
  // `row` > 1: a table of values.size() / row rows.
  Status write(const std::string& name, hid_t type, const void* values, size_t count, size_t row);
  Result<size_t> size(const std::string& name, hid_t type, size_t row) const;
  Status read(const std::string& name, hid_t type, void* values) const;
  Status close();  // flushes to the operating system; the caller syncs

  template <class T>
  Status put(const std::string& name, const std::vector<T>& values, size_t row = 1) {
    return write(name, hdf5_type<T>(), values.data(), values.size(), row);
  }
  template <class T>
  Status get(const std::string& name, std::vector<T>& values, size_t row = 1) const {
    PROSODIA_ASSIGN(const size_t count, size(name, hdf5_type<T>(), row));
    values.resize(count);
    return count == 0 ? Status{} : read(name, hdf5_type<T>(), values.data());
  }

 private:
  tl::unexpected<Error> failed(ErrorCode code, const std::string& what) const;
  std::filesystem::path path_;
  Hdf5Handle file_;
};

}  // namespace prosodia
