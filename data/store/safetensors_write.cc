#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

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

std::vector<const TensorView*> in_file_order(std::span<const TensorView> tensors) {
  std::vector<const TensorView*> order;
  for (const TensorView& tensor : tensors) {
    const auto elements = num_elements(tensor.shape);
    PROSODIA_CHECK(elements && *elements * size_of(tensor.dtype) == tensor.data.size(),
                   "tensor {} has {} bytes, its shape [{}] of {} says otherwise", tensor.name, tensor.data.size(),
                   fmt::join(tensor.shape, ", "), name(tensor.dtype));
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return rank(a->dtype) != rank(b->dtype) ? rank(a->dtype) < rank(b->dtype) : a->name < b->name;
  });
  for (size_t i = 1; i < order.size(); ++i)
    PROSODIA_CHECK(order[i - 1]->name != order[i]->name, "two tensors named {}", order[i]->name);
  return order;
}

std::string encode_header(std::span<const TensorView* const> order,
                          const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const TensorView* tensor : order) {
    header[tensor->name] = {{"dtype", name(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", {offset, offset + tensor->data.size()}}};
    offset += tensor->data.size();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

Status write_safetensors(FileSystem& fs, const std::filesystem::path& path, std::span<const TensorView> tensors,
                         const std::map<std::string, std::string>& metadata) {
  const auto order = in_file_order(tensors);
  const std::string header = encode_header(order, metadata);
  const uint64_t header_bytes = header.size();
  PROSODIA_ASSIGN(auto file, AtomicFile::create(fs, path));
  PROSODIA_TRY(file.append(std::as_bytes(std::span(&header_bytes, 1))));
  PROSODIA_TRY(file.append(as_byte_span(header)));
  for (const TensorView* tensor : order) PROSODIA_TRY(file.append(tensor->data));
  return file.commit();
}

}  // namespace prosodia
