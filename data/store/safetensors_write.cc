#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "data/base/check.h"
#include "data/store/atomic_file.h"
#include "data/store/safetensors.h"

namespace prosodia {
namespace {

// Hugging Face's order of types (safetensors/src/tensor.rs, enum Dtype), biggest alignment first.
int rank(DType dtype) {
  switch (dtype) {
    case DType::I64:
      return 0;
    case DType::F64:
      return 1;
    case DType::F32:
      return 2;
    case DType::I32:
      return 3;
    case DType::BF16:
      return 4;
    case DType::F16:
      return 5;
    case DType::I16:
      return 6;
    case DType::I8:
      return 7;
    case DType::U8:
      return 8;
    case DType::BOOL:
      return 9;
  }
  PROSODIA_CHECK(false, "dtype {}", static_cast<int>(dtype));
}

std::vector<const TensorSpec*> in_file_order(std::span<const TensorSpec> tensors) {
  std::vector<const TensorSpec*> order;
  for (const TensorSpec& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorSpec* a, const TensorSpec* b) {
    return rank(a->dtype) != rank(b->dtype) ? rank(a->dtype) < rank(b->dtype) : a->name < b->name;
  });
  for (size_t i = 1; i < order.size(); ++i)
    PROSODIA_CHECK(order[i - 1]->name != order[i]->name, "two tensors named {}", order[i]->name);
  return order;
}

std::string encode_header(std::span<const TensorSpec* const> order,
                          const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorSpec* tensor : order) {
    const uint64_t bytes = byte_size(*tensor);
    header[tensor->name] = {
        {"dtype", name(tensor->dtype)}, {"shape", tensor->shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

uint64_t byte_size(const TensorSpec& tensor) {
  const auto elements = num_elements(tensor.shape);
  uint64_t bytes = 0;
  PROSODIA_CHECK(elements && !__builtin_mul_overflow(*elements, uint64_t{size_of(tensor.dtype)}, &bytes),
                 "tensor {} has the shape [{}]", tensor.name, fmt::join(tensor.shape, ", "));
  return bytes;
}

std::vector<TensorSpec> specs_of(std::span<const TensorView> tensors) {
  std::vector<TensorSpec> specs;
  for (const TensorView& tensor : tensors) specs.push_back({tensor.name, tensor.dtype, tensor.shape});
  return specs;
}

TensorProducer producer_of(std::span<const TensorView> tensors) {
  std::unordered_map<std::string_view, std::span<const std::byte>> by_name;
  for (const TensorView& tensor : tensors) by_name.emplace(tensor.name, tensor.data);
  return [by_name = std::move(by_name)](const TensorSpec& spec, const ByteSink& sink) {
    return sink(by_name.at(spec.name));
  };
}

Status write_safetensors(FileSystem& fs, const std::filesystem::path& path, std::span<const TensorSpec> tensors,
                         const TensorProducer& producer, const std::map<std::string, std::string>& metadata) {
  const auto order = in_file_order(tensors);
  const std::string header = encode_header(order, metadata);
  const uint64_t header_bytes = header.size();
  PROSODIA_ASSIGN(auto file, AtomicFile::create(fs, path));
  PROSODIA_TRY(file.append(std::as_bytes(std::span(&header_bytes, 1))));
  PROSODIA_TRY(file.append(as_byte_span(header)));
  for (const TensorSpec* tensor : order) {
    uint64_t written = 0;
    PROSODIA_TRY(producer(*tensor, [&](std::span<const std::byte> piece) {
      written += piece.size();
      return file.append(piece);
    }));
    PROSODIA_CHECK(written == byte_size(*tensor), "tensor {} came as {} bytes, its shape [{}] of {} says {}",
                   tensor->name, written, fmt::join(tensor->shape, ", "), name(tensor->dtype), byte_size(*tensor));
  }
  return file.commit();
}

Status write_safetensors(FileSystem& fs, const std::filesystem::path& path, std::span<const TensorView> tensors,
                         const std::map<std::string, std::string>& metadata) {
  const auto specs = specs_of(tensors);
  return write_safetensors(fs, path, specs, producer_of(tensors), metadata);
}

}  // namespace prosodia
