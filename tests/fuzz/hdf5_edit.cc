#include "tests/fuzz/hdf5_edit.h"

#include <array>
#include <fstream>

namespace prosodia::fuzz {
namespace {

constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";

herr_t collect_dataset(hid_t, const char* name, const H5O_info_t* info, void* out) {
  if (info->type == H5O_TYPE_DATASET) static_cast<std::vector<std::string>*>(out)->emplace_back(name);
  return 0;
}

herr_t collect_attribute(hid_t, const char* name, const H5A_info_t*, void* out) {
  static_cast<std::vector<std::string>*>(out)->emplace_back(name);
  return 0;
}

hid_t text_type(size_t bytes) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, bytes);
  return type;
}

// Owned by the caller.
hid_t other_type(Choices& choices) {
  switch (choices.below(9)) {
    case 0:
      return H5Tcopy(H5T_NATIVE_DOUBLE);
    case 1:
      return H5Tcopy(H5T_STD_I8BE);
    case 2:
      return H5Tcopy(H5T_NATIVE_UINT64);
    case 3:
      return H5Tcopy(H5T_NATIVE_FLOAT);
    case 4:
      return text_type(H5T_VARIABLE);
    case 5:
      return text_type(1 + choices.take<uint16_t>());
    case 6:
      return text_type(size_t{1} << (16 + choices.below(15)));
    case 7:
      return H5Tcreate(H5T_OPAQUE, 1 + choices.below(32));
    default:
      return H5Tvlen_create(H5T_NATIVE_INT);
  }
}

hid_t other_space(Choices& choices) {
  hsize_t extent[3] = {choices.below(9), choices.below(5), choices.below(3)};
  switch (choices.below(6)) {
    case 0:
      return H5Screate(H5S_SCALAR);
    case 1:
      return H5Screate(H5S_NULL);
    case 2:
      return H5Screate_simple(2, extent, nullptr);
    case 3:
      return H5Screate_simple(3, extent, nullptr);
    case 4:  // absurd
      extent[0] = choices.take<uint64_t>() >> choices.below(48);
      return H5Screate_simple(1, extent, nullptr);
    default:
      return H5Screate_simple(1, extent, nullptr);
  }
}

// Replaces the object by one of another kind, type or extent.
void replace(hid_t file, const std::string& name, Choices& choices) {
  hid_t old = H5Dopen2(file, name.c_str(), H5P_DEFAULT);
  hid_t type = old >= 0 && choices.one_in(2) ? H5Dget_type(old) : other_type(choices);
  hid_t space = old >= 0 && choices.one_in(2) ? H5Dget_space(old) : other_space(choices);
  if (old >= 0) H5Dclose(old);
  H5Ldelete(file, name.c_str(), H5P_DEFAULT);
  const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
  const hsize_t chunk = 1 + choices.below(100);
  if (choices.one_in(2) && H5Sget_simple_extent_ndims(space) == 1) {  // no storage behind it: reads give the fill value
    H5Pset_chunk(properties, 1, &chunk);
    if (choices.one_in(2)) H5Pset_deflate(properties, 1);
  }
  const hid_t set = H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT);
  if (set >= 0) H5Dclose(set);
  H5Pclose(properties);
  H5Sclose(space);
  H5Tclose(type);
}

// Overwrites the values of a small dataset with bytes of the input.
void rewrite(hid_t file, const std::string& name, Choices& choices) {
  const hid_t set = H5Dopen2(file, name.c_str(), H5P_DEFAULT);
  if (set < 0) return;
  const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  const size_t bytes = count > 0 && count < 4096 ? static_cast<size_t>(count) * H5Tget_size(type) : 0;
  if (bytes > 0 && bytes < 65536 && H5Tis_variable_str(type) <= 0 && H5Tget_class(type) != H5T_VLEN) {
    std::vector<std::byte> values(bytes);
    H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    const size_t begin = choices.take<uint16_t>() % bytes;
    const Input fresh = choices.bytes(bytes - begin);
    std::copy(fresh.begin(), fresh.end(), values.begin() + static_cast<std::ptrdiff_t>(begin));
    H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  }
  H5Sclose(space);
  H5Tclose(type);
  H5Dclose(set);
}

void replace_attribute(hid_t file, const std::string& name, Choices& choices) {
  H5Adelete(file, name.c_str());
  if (choices.one_in(4)) return;
  const hid_t type = choices.one_in(2) ? H5Tcopy(H5T_STD_U64LE) : other_type(choices);
  const hid_t space = choices.one_in(3) ? H5Screate(H5S_SCALAR) : other_space(choices);
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  const size_t bytes = count > 0 && count < 64 ? static_cast<size_t>(count) * H5Tget_size(type) : 0;
  const hid_t attribute =
      bytes == 0 || bytes > 60000 ? -1 : H5Acreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
  if (attribute >= 0) {
    std::vector<std::byte> values(bytes);
    const bool plain = H5Tis_variable_str(type) <= 0 && H5Tget_class(type) != H5T_VLEN;
    const Input fresh = choices.bytes(bytes);
    if (plain) std::copy(fresh.begin(), fresh.end(), values.begin());
    if (plain) H5Awrite(attribute, type, values.data());
    H5Aclose(attribute);
  }
  H5Sclose(space);
  H5Tclose(type);
}

}  // namespace

bool is_hdf5(Input input) { return as_text(input).starts_with(kSignature); }

Hdf5Template::Hdf5Template(const std::filesystem::path& good_file) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  const hid_t file = H5Fopen(good_file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  PROSODIA_CHECK(file >= 0, "{}", good_file.string());
  H5Ovisit1(file, H5_INDEX_NAME, H5_ITER_INC, collect_dataset, &datasets_);
  H5Aiterate2(file, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_attribute, &attributes_);
  H5Fclose(file);
  std::ifstream stream(good_file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  const auto bytes = std::as_bytes(std::span(text));
  bytes_.assign(bytes.begin(), bytes.end());
}

std::filesystem::path Hdf5Template::write_edited(const std::string& name, Choices choices) const {
  const auto path = write_scratch(name, bytes_);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  PROSODIA_CHECK(file >= 0, "{}", path.string());
  constexpr int kMaxEdits = 6;
  for (int edit = 0; edit < kMaxEdits && !choices.empty(); ++edit) {
    const size_t action = choices.below(4);
    if (action == 0 && !attributes_.empty()) {
      replace_attribute(file, attributes_[choices.below(attributes_.size())], choices);
      continue;
    }
    const std::string& dataset = datasets_[choices.below(datasets_.size())];
    if (action == 1) rewrite(file, dataset, choices);
    if (action == 2) replace(file, dataset, choices);
    if (action == 3) H5Ldelete(file, dataset.c_str(), H5P_DEFAULT);
  }
  H5Fclose(file);
  return path;
}

}  // namespace prosodia::fuzz
