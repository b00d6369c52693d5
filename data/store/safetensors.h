// Implements the safetensors format (u64 header length, JSON header, one little-endian buffer), reading and writing.
// No torch: tensors are names, types, shapes and bytes.
//
// Called by the model loader, the learner's checkpoints and export. Reading: immutable after open(), thread-safe.
// Malformed input is kInvalidInput, naming the file, the tensor and what was expected; nothing is allocated or read on
// the word of an unchecked length. A tensor's bytes need not be aligned for its type: copy when they are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/store/fs.h"

namespace prosodia {

enum class DType { F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL };

size_t size_of(DType);                                   // bytes of one element
std::string_view name(DType);                            // "BF16"
std::optional<DType> dtype_from_name(std::string_view);  // nullopt for U16, F8_…, C64 and whatever else

struct TensorView {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;       // [] is a scalar; zero-size dimensions are legal
  std::span<const std::byte> data;  // C order, little-endian; not owned
};

// Number of elements, or nullopt when a dimension is negative or the product overflows.
std::optional<uint64_t> num_elements(std::span<const int64_t> shape);

class SafetensorsFile {
 public:
  // Maps the file read-only; the views stay valid as long as the returned object lives.
  static Result<std::shared_ptr<const SafetensorsFile>> open(const std::filesystem::path&);
  // The same checks over bytes in memory; `name` stands for the file in messages.
  static Result<std::shared_ptr<const SafetensorsFile>> parse(std::vector<std::byte> bytes, std::string name);
  virtual ~SafetensorsFile() = default;

  const std::vector<TensorView>& tensors() const { return tensors_; }  // in the order of the data
  const TensorView* find(std::string_view name) const;                 // null when absent
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return path_; }

  bool contains(std::span<const std::byte> part) const;  // is it a part of this file's bytes?
  // Lets go of the memory that holds `part` (a part of this file) of a mapped file; a later access reads the disk
  // again. Whoever copies a large file calls it behind itself, so that file and copy are never resident together.
  virtual void release(std::span<const std::byte> part) const { static_cast<void>(part); }

 protected:
  SafetensorsFile() = default;
  Status index(std::span<const std::byte> file);  // all checks; fills the members
  std::filesystem::path path_;
  std::span<const std::byte> bytes_of_file_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;  // keys point into tensors_
  std::map<std::string, std::string> metadata_;
};

// What a file's header says of a tensor; enough to lay out the file before any element is there.
struct TensorSpec {
  std::string name;
  DType dtype = DType::F32;
  std::vector<int64_t> shape;
};
uint64_t byte_size(const TensorSpec&);  // aborts when the shape is negative or overflows

// Hands a tensor's bytes to `sink`, in order, in as many pieces as it likes: what is written is never held whole.
using ByteSink = std::function<Status(std::span<const std::byte>)>;
using TensorProducer = std::function<Status(const TensorSpec&, const ByteSink& sink)>;

// Byte-identical to Hugging Face's writer: dtype descending by size, then name; header space-padded to 8. Atomic and
// durable (atomic_file.h). Asks `producer` for each tensor once, in the order of the file. Two tensors of one name, or
// a producer whose bytes do not fill its shape, abort: our bug.
Status write_safetensors(FileSystem&, const std::filesystem::path&, std::span<const TensorSpec>,
                         const TensorProducer& producer, const std::map<std::string, std::string>& metadata);
// The same with bytes that are in memory.
Status write_safetensors(FileSystem&, const std::filesystem::path&, std::span<const TensorView>,
                         const std::map<std::string, std::string>& metadata);

// For writers built on the first form.
std::vector<TensorSpec> specs_of(std::span<const TensorView>);
TensorProducer producer_of(std::span<const TensorView>);  // the views must outlive it

}  // namespace prosodia
