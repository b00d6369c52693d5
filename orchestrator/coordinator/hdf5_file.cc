#include "orchestrator/coordinator/hdf5_file.h"

namespace prosodia {
namespace {

// The library prints its error stack to stderr by default; errors are reported by Result instead.
void silence() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

}  // namespace

tl::unexpected<Error> Hdf5File::failed(ErrorCode code, const std::string& what) const {
  return fail(code, "{}: {}", path_.string(), what);
}

Result<Hdf5File> Hdf5File::create(const std::filesystem::path& path) {
  silence();
  Hdf5File file;
  file.path_ = path;
  file.file_ = Hdf5Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  if (!file.file_.ok()) return file.failed(ErrorCode::kStorage, "cannot be created; is the disk full?");
  return file;
}

Result<Hdf5File> Hdf5File::open(const std::filesystem::path& path) {
  silence();
  Hdf5File file;
  file.path_ = path;
  file.file_ = Hdf5Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
  if (!file.file_.ok()) return file.failed(ErrorCode::kInvalidInput, "is not a readable HDF5 file");
  return file;
}

Status Hdf5File::make_group(const std::string& name) {
  const Hdf5Handle group(H5Gcreate2(file_.get(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
  if (!group.ok()) return failed(ErrorCode::kStorage, fmt::format("group {} cannot be written", name));
  return {};
}

Status Hdf5File::write(const std::string& name, hid_t type, const void* values, size_t count, size_t row) {
  const hsize_t extent[2] = {count / row, row};
  const Hdf5Handle space(H5Screate_simple(row > 1 ? 2 : 1, extent, nullptr), H5Sclose);
  const Hdf5Handle set(H5Dcreate2(file_.get(), name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                       H5Dclose);
  const bool written =
      set.ok() && (count == 0 || H5Dwrite(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
  if (!written) return failed(ErrorCode::kStorage, fmt::format("{} cannot be written; is the disk full?", name));
  return {};
}

Result<size_t> Hdf5File::size(const std::string& name, hid_t type, size_t row) const {
  const Hdf5Handle set(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!set.ok()) return failed(ErrorCode::kInvalidInput, fmt::format("no dataset {}: not a rollout segment?", name));
  const Hdf5Handle space(H5Dget_space(set.get()), H5Sclose);
  const Hdf5Handle stored(H5Dget_type(set.get()), H5Tclose);
  hsize_t extent[2] = {0, 1};
  const int rank = H5Sget_simple_extent_ndims(space.get());
  // A header can claim any extent; segments are not compressed, so the file holds what it claims.
  hsize_t file_bytes = 0;
  H5Fget_filesize(file_.get(), &file_bytes);
  const bool fits = rank == (row > 1 ? 2 : 1) && H5Sget_simple_extent_dims(space.get(), extent, nullptr) == rank &&
                    extent[1] == row && extent[0] <= file_bytes / (row * H5Tget_size(type)) &&
                    H5Tget_class(stored.get()) == H5Tget_class(type) && H5Tget_size(stored.get()) == H5Tget_size(type);
  if (!fits) return failed(ErrorCode::kInvalidInput, fmt::format("dataset {} has an unexpected shape or type", name));
  return static_cast<size_t>(extent[0]) * row;
}

Status Hdf5File::read(const std::string& name, hid_t type, void* values) const {
  const Hdf5Handle set(H5Dopen2(file_.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!set.ok() || H5Dread(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
    return failed(ErrorCode::kInvalidInput, fmt::format("dataset {} cannot be read", name));
  }
  return {};
}

Status Hdf5File::close() {
  if (file_.close() < 0) return failed(ErrorCode::kStorage, "cannot be closed; is the disk full?");
  return {};
}

}  // namespace prosodia
