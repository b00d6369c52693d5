#include "data/store/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <numeric>

#include "data/store/safetensors_header.h"

namespace prosodia {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct DTypeInfo {
  std::string_view name;
  size_t bytes;
};
constexpr std::array<DTypeInfo, 10> kDTypes = {{{"F64", 8},
                                                {"F32", 4},
                                                {"F16", 2},
                                                {"BF16", 2},
                                                {"I64", 8},
                                                {"I32", 4},
                                                {"I16", 2},
                                                {"I8", 1},
                                                {"U8", 1},
                                                {"BOOL", 1}}};

class MappedFile final : public SafetensorsFile {
 public:
  MappedFile(void* address, size_t size) : address_(address), size_(size) {}
  ~MappedFile() override {
    if (size_ > 0) ::munmap(address_, size_);
  }
  void release(std::span<const std::byte> part) const override {
    if (part.empty() || !contains(part)) return;
    // Whole pages: neighbours that share one with `part` are read again when they are needed.
    const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto begin = reinterpret_cast<uintptr_t>(part.data()) / page * page;
    const auto end = reinterpret_cast<uintptr_t>(part.data()) + part.size();
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // advice: a failure costs only memory
  }
  Status index_mapping(const std::filesystem::path& path) {
    path_ = path;
    return index({static_cast<const std::byte*>(address_), size_});
  }

 private:
  void* address_;
  size_t size_;
};

class OwnedFile final : public SafetensorsFile {
 public:
  explicit OwnedFile(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  Status index_bytes(std::string name) {
    path_ = std::move(name);
    return index(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
};

// One entry of the header as a view into the buffer; every number is checked.
Result<TensorView> check_entry(SafetensorsHeader::Entry& entry, std::span<const std::byte> buffer,
                               const std::string& file) {
  const auto dtype = dtype_from_name(entry.dtype);
  if (!dtype)
    return fail(ErrorCode::kInvalidInput,
                "{}: tensor \"{}\" has dtype \"{}\"; supported: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL", file,
                entry.name, entry.dtype);
  const uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > buffer.size())
    return fail(ErrorCode::kInvalidInput,
                "{}: tensor \"{}\" has data_offsets [{}, {}] outside the buffer of {} bytes: is the file cut off?",
                file, entry.name, begin, end, buffer.size());
  const auto elements = num_elements(entry.shape);
  uint64_t bytes = 0;
  if (!elements || __builtin_mul_overflow(*elements, uint64_t{size_of(*dtype)}, &bytes) || bytes != end - begin)
    return fail(ErrorCode::kInvalidInput, "{}: tensor \"{}\": shape [{}] of {} does not make its {} bytes", file,
                entry.name, fmt::join(entry.shape, ", "), entry.dtype, end - begin);
  return TensorView{std::move(entry.name), *dtype, std::move(entry.shape), buffer.subspan(begin, bytes)};
}

}  // namespace

size_t size_of(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }
std::string_view name(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kDTypes.size(); ++i)
    if (kDTypes[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

std::optional<uint64_t> num_elements(std::span<const int64_t> shape) {
  if (std::any_of(shape.begin(), shape.end(), [](int64_t n) { return n < 0; })) return std::nullopt;
  uint64_t product = 1;
  for (const int64_t size : shape)
    if (__builtin_mul_overflow(product, static_cast<uint64_t>(size), &product)) return std::nullopt;
  return product;
}

bool SafetensorsFile::contains(std::span<const std::byte> part) const {
  const std::less_equal<const std::byte*> not_after;
  return not_after(bytes_of_file_.data(), part.data()) &&
         not_after(part.data() + part.size(), bytes_of_file_.data() + bytes_of_file_.size());
}

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

Status SafetensorsFile::index(std::span<const std::byte> file) {
  const std::string where = path_.string();
  bytes_of_file_ = file;
  uint64_t header_bytes = 0;
  if (file.size() < sizeof(header_bytes))
    return fail(ErrorCode::kInvalidInput, "{}: {} bytes are too few for a safetensors file", where, file.size());
  std::memcpy(&header_bytes, file.data(), sizeof(header_bytes));
  file = file.subspan(sizeof(header_bytes));
  if (header_bytes > kMaxHeaderBytes || header_bytes > file.size())
    return fail(ErrorCode::kInvalidInput,
                "{}: header of {} bytes announced, {} follow (at most {} allowed): not a safetensors file, or cut off",
                where, header_bytes, file.size(), kMaxHeaderBytes);
  const std::string_view json(reinterpret_cast<const char*>(file.data()), header_bytes);
  PROSODIA_ASSIGN(auto header, parse_safetensors_header(json, where));
  const auto buffer = file.subspan(header_bytes);

  tensors_.reserve(header.entries.size());
  for (auto& entry : header.entries) {
    PROSODIA_ASSIGN(auto view, check_entry(entry, buffer, where));
    tensors_.push_back(std::move(view));
  }
  // By offset; where an empty tensor shares its offset with the next one, it comes first.
  std::stable_sort(tensors_.begin(), tensors_.end(), [](const TensorView& a, const TensorView& b) {
    return a.data.data() != b.data.data() ? a.data.data() < b.data.data() : a.data.size() < b.data.size();
  });
  const std::byte* expected = buffer.data();
  for (const TensorView& tensor : tensors_) {
    if (tensor.data.data() != expected)
      return fail(ErrorCode::kInvalidInput,
                  "{}: tensor \"{}\" begins at byte {} of the buffer, expected {} (gap or overlap)", where, tensor.name,
                  tensor.data.data() - buffer.data(), expected - buffer.data());
    expected += tensor.data.size();
  }
  if (expected != buffer.data() + buffer.size())
    return fail(ErrorCode::kInvalidInput, "{}: {} bytes after the last tensor belong to none", where,
                buffer.data() + buffer.size() - expected);
  for (size_t i = 0; i < tensors_.size(); ++i) by_name_.emplace(tensors_[i].name, i);
  metadata_ = std::move(header.metadata);
  return {};
}

Result<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::open(const std::filesystem::path& path) {
  PROSODIA_ASSIGN(const auto readable, posix_file_system().open_read(path));  // its errors are the helpful ones
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || ::fstat(fd, &info) < 0) {
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return storage_error(path, "open", error);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return fail(ErrorCode::kInvalidInput, "{}: not a regular file", path.string());
  }
  const size_t size = static_cast<size_t>(info.st_size);
  void* address = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  const int error = errno;
  ::close(fd);
  if (address == MAP_FAILED) return storage_error(path, "map into memory", error);
  auto file = std::make_shared<MappedFile>(address, size);
  PROSODIA_TRY(file->index_mapping(path));
  return file;
}

Result<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::parse(std::vector<std::byte> bytes, std::string name) {
  auto file = std::make_shared<OwnedFile>(std::move(bytes));
  PROSODIA_TRY(file->index_bytes(std::move(name)));
  return file;
}

}  // namespace prosodia
