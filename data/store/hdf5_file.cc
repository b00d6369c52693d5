#include "data/store/hdf5_file.h"

#include <algorithm>

namespace prosodia::hdf5 {
namespace {

constexpr uint64_t kMaxStringBytes = 1 << 16;

// A string without NUL: HDF5's fixed-length strings cannot hold one.
std::string_view until_nul(std::string_view text) { return text.substr(0, text.find('\0')); }

Handle simple_space(uint64_t count) {
  const hsize_t dims = count;
  return {H5Screate_simple(1, &dims, nullptr), H5Sclose};
}

Handle string_type(size_t bytes) {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  if (type) {
    H5Tset_size(type.get(), std::max<size_t>(1, bytes));
    H5Tset_cset(type.get(), H5T_CSET_UTF8);
    H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  }
  return type;
}

// Creation properties without modification times, so that equal contents give equal files.
Handle timeless(hid_t property_class) {
  Handle properties(H5Pcreate(property_class), H5Pclose);
  H5Pset_obj_track_times(properties.get(), false);
  return properties;
}

Status check(bool ok, ErrorCode code, std::string_view what) {
  if (ok) return {};
  return fail(code, "{}: {}", what, last_error());
}

herr_t take_innermost(unsigned, const H5E_error2_t* error, void* out) {
  if (error->desc != nullptr && *error->desc != '\0') *static_cast<std::string*>(out) = error->desc;
  return 0;
}

}  // namespace

std::unique_lock<std::mutex> lock() {
  static std::mutex mutex;
  std::unique_lock<std::mutex> guard(mutex);
  static const bool silenced = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr) >= 0;
  (void)silenced;
  return guard;
}

std::string last_error() {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take_innermost, &text);
  H5Eclear2(H5E_DEFAULT);
  return text.empty() ? "HDF5 gives no reason" : text;
}

Result<Handle> create_file(const std::string& path) {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110);
  const Handle creation = timeless(H5P_FILE_CREATE);
  Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose);
  PROSODIA_TRY(check(static_cast<bool>(file), ErrorCode::kStorage, fmt::format("cannot create {}", path)));
  return file;
}

Result<Handle> open_file(const std::string& path) {
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  // Most likely the user named another kind of file; damage inside a corpus is kCorruption.
  PROSODIA_TRY(check(static_cast<bool>(file), ErrorCode::kInvalidInput, "not a readable HDF5 file"));
  return file;
}

Status make_group(const Handle& file, const std::string& name) {
  const Handle creation = timeless(H5P_GROUP_CREATE);
  const Handle group(H5Gcreate2(file.get(), name.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Gclose);
  return check(static_cast<bool>(group), ErrorCode::kStorage, fmt::format("cannot create group /{}", name));
}

Result<Handle> create_growing(const Handle& file, const std::string& name, hid_t file_type, uint64_t chunk) {
  const hsize_t now = 0, most = H5S_UNLIMITED, chunk_dims = chunk;
  const Handle space(H5Screate_simple(1, &now, &most), H5Sclose);
  const Handle properties = timeless(H5P_DATASET_CREATE);
  H5Pset_chunk(properties.get(), 1, &chunk_dims);
  Handle dataset(
      H5Dcreate2(file.get(), name.c_str(), file_type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
      H5Dclose);
  PROSODIA_TRY(check(static_cast<bool>(dataset), ErrorCode::kStorage, fmt::format("cannot create /{}", name)));
  return dataset;
}

Status append_raw(const Handle& dataset, hid_t memory_type, uint64_t old_size, uint64_t count, const void* values) {
  const hsize_t size = old_size + count, begin = old_size, rows = count;
  PROSODIA_TRY(check(H5Dset_extent(dataset.get(), &size) >= 0, ErrorCode::kStorage, "cannot extend dataset"));
  const Handle space(H5Dget_space(dataset.get()), H5Sclose);
  const Handle memory = simple_space(count);
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &begin, nullptr, &rows, nullptr);
  return check(H5Dwrite(dataset.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, values) >= 0,
               ErrorCode::kStorage, "cannot write dataset");
}

Status write_raw(const Handle& file, const std::string& name, hid_t file_type, hid_t memory_type, uint64_t count,
                 const void* values, uint64_t row) {
  const hsize_t extent[2] = {count / row, row};
  const Handle space(H5Screate_simple(row > 1 ? 2 : 1, extent, nullptr), H5Sclose);
  const Handle creation = timeless(H5P_DATASET_CREATE);
  const Handle dataset(
      H5Dcreate2(file.get(), name.c_str(), file_type, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), H5Dclose);
  PROSODIA_TRY(check(static_cast<bool>(dataset), ErrorCode::kStorage, fmt::format("cannot create /{}", name)));
  if (count == 0) return {};
  return check(H5Dwrite(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0, ErrorCode::kStorage,
               fmt::format("cannot write /{}", name));
}

Result<Handle> open_dataset(const Handle& file, const std::string& name) {
  Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  PROSODIA_TRY(check(static_cast<bool>(dataset), ErrorCode::kCorruption, fmt::format("no readable dataset /{}", name)));
  return dataset;
}

Result<uint64_t> length(const Handle& dataset) {
  const Handle space(H5Dget_space(dataset.get()), H5Sclose);
  PROSODIA_TRY(check(static_cast<bool>(space), ErrorCode::kCorruption, "dataset without extent"));
  if (H5Sget_simple_extent_ndims(space.get()) != 1) {
    return fail(ErrorCode::kCorruption, "a dataset is not one-dimensional");
  }
  hsize_t rows = 0;
  H5Sget_simple_extent_dims(space.get(), &rows, nullptr);
  return static_cast<uint64_t>(rows);
}

Status check_stored(const Handle& dataset, uint64_t rows, uint64_t row_bytes) {
  const Handle file(H5Iget_file_id(dataset.get()), H5Fclose);
  hsize_t file_bytes = 0;
  if (!file || H5Fget_filesize(file.get(), &file_bytes) < 0) {
    return fail(ErrorCode::kCorruption, "cannot tell the file's size: {}", last_error());
  }
  if (row_bytes != 0 && rows > file_bytes / row_bytes) {
    return fail(ErrorCode::kCorruption, "a dataset of {} rows of {} bytes in a file of {} bytes", rows, row_bytes,
                static_cast<uint64_t>(file_bytes));
  }
  return {};
}

Status read_raw(const Handle& dataset, hid_t memory_type, uint64_t begin, uint64_t count, void* values) {
  if (count == 0) return {};
  const Handle space(H5Dget_space(dataset.get()), H5Sclose);
  const Handle memory = simple_space(count);
  const hsize_t first = begin, rows = count;
  const bool ok = space && memory &&
                  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &first, nullptr, &rows, nullptr) >= 0 &&
                  H5Dread(dataset.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, values) >= 0;
  return check(ok, ErrorCode::kCorruption, "cannot read dataset");
}

Result<uint64_t> table_size(const Handle& file, const std::string& name, hid_t memory_type, uint64_t row) {
  const Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset) return fail(ErrorCode::kInvalidInput, "no dataset {}: {}", name, last_error());
  const Handle space(H5Dget_space(dataset.get()), H5Sclose);
  const Handle stored(H5Dget_type(dataset.get()), H5Tclose);
  hsize_t extent[2] = {0, 1};
  const int rank = H5Sget_simple_extent_ndims(space.get());
  const size_t value_bytes = H5Tget_size(memory_type);
  // A header can claim any extent; tables are not compressed, so the file holds what it claims.
  hsize_t file_bytes = 0;
  H5Fget_filesize(file.get(), &file_bytes);
  const bool fits = rank == (row > 1 ? 2 : 1) && H5Sget_simple_extent_dims(space.get(), extent, nullptr) == rank &&
                    extent[1] == row && H5Tget_class(stored.get()) == H5Tget_class(memory_type) &&
                    H5Tget_size(stored.get()) == value_bytes &&
                    extent[0] <= file_bytes / (value_bytes * row);
  if (!fits) return fail(ErrorCode::kInvalidInput, "dataset {} has an unexpected shape or type", name);
  return static_cast<uint64_t>(extent[0]) * row;
}

Status read_whole(const Handle& file, const std::string& name, hid_t memory_type, void* values) {
  const Handle dataset(H5Dopen2(file.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  const bool ok = dataset && H5Dread(dataset.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
  return check(ok, ErrorCode::kInvalidInput, fmt::format("dataset {} cannot be read", name));
}

Status write_strings(const Handle& file, const std::string& name, std::span<const std::string_view> values) {
  size_t width = 1;
  for (std::string_view value : values) width = std::max(width, value.size());
  if (width > kMaxStringBytes) {
    return fail(ErrorCode::kInvalidInput, "/{}: a string of {} bytes; at most {} fit a corpus column", name, width,
                kMaxStringBytes);
  }
  std::string block(width * values.size(), '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].find('\0') != std::string_view::npos) {
      return fail(ErrorCode::kInvalidInput, "/{}: the string of row {} contains a NUL byte", name, i);
    }
    std::copy(values[i].begin(), values[i].end(), block.begin() + static_cast<std::ptrdiff_t>(i * width));
  }
  const Handle type = string_type(width);
  return write_raw(file, name, type.get(), type.get(), values.size(), block.data());
}

Result<std::vector<std::string>> read_strings(const Handle& file, const std::string& name, uint64_t expected) {
  PROSODIA_ASSIGN(const Handle dataset, open_dataset(file, name));
  PROSODIA_ASSIGN(const uint64_t rows, length(dataset));
  const Handle stored(H5Dget_type(dataset.get()), H5Tclose);
  if (rows != expected || H5Tget_class(stored.get()) != H5T_STRING || H5Tis_variable_str(stored.get()) != 0) {
    return fail(ErrorCode::kCorruption, "/{} is not a column of {} fixed-length strings", name, expected);
  }
  const size_t width = H5Tget_size(stored.get());
  if (width == 0 || width > kMaxStringBytes) {
    return fail(ErrorCode::kCorruption, "/{} has strings of {} bytes", name, width);
  }
  PROSODIA_TRY(check_stored(dataset, rows, width));
  std::string block(width * rows, '\0');
  const Handle type = string_type(width);
  PROSODIA_TRY(read_raw(dataset, type.get(), 0, rows, block.data()));
  std::vector<std::string> values(rows);
  for (size_t i = 0; i < rows; ++i) values[i] = until_nul(std::string_view(block).substr(i * width, width));
  return values;
}

Status write_attribute(const Handle& file, const std::string& name, std::string_view value) {
  const std::string text(until_nul(value));
  const Handle type = string_type(text.size());
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle attribute(H5Acreate2(file.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  return check(attribute && H5Awrite(attribute.get(), type.get(), text.c_str()) >= 0, ErrorCode::kStorage,
               fmt::format("cannot write attribute {}", name));
}

Status write_attribute(const Handle& file, const std::string& name, uint64_t value) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle attribute(H5Acreate2(file.get(), name.c_str(), H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  return check(attribute && H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &value) >= 0, ErrorCode::kStorage,
               fmt::format("cannot write attribute {}", name));
}

namespace {

// Reading an attribute fills as many elements as it has, so their number comes before the buffer.
Result<Handle> open_scalar_attribute(const Handle& file, const std::string& name) {
  Handle attribute(H5Aopen(file.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
  PROSODIA_TRY(check(static_cast<bool>(attribute), ErrorCode::kInvalidInput, fmt::format("no attribute \"{}\"", name)));
  const Handle space(H5Aget_space(attribute.get()), H5Sclose);
  if (H5Sget_simple_extent_npoints(space.get()) != 1) {
    return fail(ErrorCode::kInvalidInput, "attribute \"{}\" is not a single value", name);
  }
  return attribute;
}

}  // namespace

Result<std::string> read_string_attribute(const Handle& file, const std::string& name) {
  PROSODIA_ASSIGN(const Handle attribute, open_scalar_attribute(file, name));
  const Handle stored(H5Aget_type(attribute.get()), H5Tclose);
  const size_t width = H5Tget_size(stored.get());
  if (H5Tget_class(stored.get()) != H5T_STRING || H5Tis_variable_str(stored.get()) != 0 || width > kMaxStringBytes) {
    return fail(ErrorCode::kInvalidInput, "attribute \"{}\" is not a fixed-length string", name);
  }
  std::string text(width, '\0');
  const Handle type = string_type(width);
  PROSODIA_TRY(check(H5Aread(attribute.get(), type.get(), text.data()) >= 0, ErrorCode::kCorruption,
                     fmt::format("cannot read attribute \"{}\"", name)));
  return std::string(until_nul(text));
}

Result<uint64_t> read_integer_attribute(const Handle& file, const std::string& name) {
  PROSODIA_ASSIGN(const Handle attribute, open_scalar_attribute(file, name));
  uint64_t value = 0;
  PROSODIA_TRY(check(H5Aread(attribute.get(), H5T_NATIVE_UINT64, &value) >= 0, ErrorCode::kCorruption,
                     fmt::format("cannot read attribute \"{}\"", name)));
  return value;
}

}  // namespace prosodia::hdf5
