#include "workers/model/model_folder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "data/base/check.h"
#include "workers/model/model_parts.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

// Small: the heap's holes between tensors are as large as the piece that was freed there.
constexpr size_t kPieceElements = size_t{1} << 16;

// What a checkpoint may hold beside the tensors of our forward.
std::vector<std::string> ignored_prefixes(const std::string& prefix) {
  std::vector<std::string> ignored = {prefix + "visual."};
  if (!prefix.empty()) ignored.insert(ignored.end(), {"talker.", "token2wav."});
  return ignored;
}

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.data, b.data);
}

// The tie rule: a stored head is used; without one the head is tied only if the config says so.
Result<bool> decide_tied(const ModelFolder& folder) {
  const bool config_ties = folder.config.tie_word_embeddings.value_or(false);
  const TensorView* head = folder.tensors.find(folder.prefix + "lm_head.weight");
  const TensorView* embed = folder.tensors.find(folder.prefix + "model.embed_tokens.weight");
  if (!head && !config_ties) {
    return fail(ErrorCode::kInvalidInput,
                "{}: `{}lm_head.weight` is not stored and config.json does not say `tie_word_embeddings`: true. "
                "Complete the checkpoint, or set that key if the model is tied",
                folder.tensors.dir().string(), folder.prefix);
  }
  // Some writers store both names of a tied pair.
  const bool tied = !head || (config_ties && embed && same_bytes(*head, *embed));
  for (const TensorView* compared : {head, embed})
    if (compared) folder.tensors.release(compared->data);
  return tied;
}

// Calls `take(piece, first element)` with the tensor's elements in order, as small tensors of the file's dtype.
template <class Take>
Status for_pieces(const ShardedTensors& tensors, const TensorView& view, at::ScalarType type, const Take& take) {
  const size_t element_bytes = size_of(view.dtype), count = view.data.size() / element_bytes;
  const at::Tensor piece = at::empty({static_cast<int64_t>(std::min(kPieceElements, count))}, type);
  for (size_t first = 0; first < count; first += kPieceElements) {
    const size_t size = std::min(kPieceElements, count - first);
    const auto bytes = view.data.subspan(first * element_bytes, size * element_bytes);
    // The copy also aligns: a file may place an element at any byte.
    std::memcpy(piece.data_ptr(), bytes.data(), bytes.size());
    tensors.release(bytes);
    PROSODIA_TRY(take(piece.narrow(0, 0, static_cast<int64_t>(size)), static_cast<int64_t>(first)));
  }
  return {};
}

}  // namespace

at::ScalarType torch_dtype(DType dtype) {
  switch (dtype) {
    case DType::F64:
      return at::kDouble;
    case DType::F16:
      return at::kHalf;
    case DType::BF16:
      return at::kBFloat16;
    default:
      PROSODIA_CHECK(dtype == DType::F32, "{} is not floating point", name(dtype));
      return at::kFloat;
  }
}

const TensorView& ModelFolder::view(const std::string& file_name) const {
  const TensorView* found = tensors.find(file_name);
  PROSODIA_CHECK(found != nullptr, "no tensor {}", file_name);
  return *found;
}

Result<ModelFolder> open_model_folder(const fs::path& model_dir) {
  ModelFolder folder;
  PROSODIA_ASSIGN(folder.config, ModelConfig::load(model_dir));
  PROSODIA_ASSIGN(folder.tensors, open_model_tensors(model_dir));
  folder.prefix = folder.tensors.find("thinker.model.embed_tokens.weight") ? "thinker." : "";
  PROSODIA_ASSIGN(folder.tied, decide_tied(folder));

  AudioWeights audio;
  DecoderWeights decoder;
  std::vector<ExpectedTensor> expected;
  for (const ParameterSpec& spec : parameter_specs(folder.config, !folder.tied, audio, decoder)) {
    expected.push_back({folder.prefix + spec.name, spec.shape});
    folder.own.push_back(folder.prefix + spec.name);
  }
  const std::string head = folder.prefix + "lm_head.weight";
  std::vector<std::string> ignored = ignored_prefixes(folder.prefix);
  if (folder.tied) ignored.push_back(head);
  PROSODIA_TRY(check_tensors(folder.tensors, expected, ignored));
  for (const std::string& own : folder.own) {
    if (auto type = scalar_type(folder.view(own)); !type) return wrap(type.error(), model_dir.string());
  }
  const std::set<std::string_view> own(folder.own.begin(), folder.own.end());
  for (std::string& file_name : folder.tensors.names()) {
    if (!own.contains(file_name) && file_name != head) folder.foreign.push_back(std::move(file_name));
  }
  return folder;
}

Result<at::ScalarType> scalar_type(const TensorView& view) {
  switch (view.dtype) {
    case DType::F64:
    case DType::F32:
    case DType::F16:
    case DType::BF16:
      return torch_dtype(view.dtype);
    default:
      return fail(ErrorCode::kInvalidInput, "tensor `{}` has dtype {}, expected F32, BF16, F16 or F64", view.name,
                  name(view.dtype));
  }
}

DType file_dtype(at::ScalarType type) {
  for (const DType dtype : {DType::F64, DType::F32, DType::F16, DType::BF16})
    if (torch_dtype(dtype) == type) return dtype;
  PROSODIA_CHECK(false, "dtype {} has no file form", at::toString(type));
}

Result<at::Tensor> read_tensor(const ShardedTensors& tensors, const TensorView& view, at::ScalarType dtype) {
  PROSODIA_ASSIGN(const at::ScalarType stored, scalar_type(view));
  at::Tensor result = at::empty(view.shape, dtype);
  const at::Tensor flat = result.view({-1});
  PROSODIA_TRY(for_pieces(tensors, view, stored, [&](const at::Tensor& piece, int64_t first) -> Status {
    flat.narrow(0, first, piece.numel()).copy_(piece);
    return {};
  }));
  return result;
}

Status stream_tensor(const ShardedTensors& tensors, const TensorView& view, DType dtype, const ByteSink& sink) {
  if (view.dtype == dtype) {  // any type, bit for bit
    const size_t step = kPieceElements * size_of(dtype);
    for (size_t begin = 0; begin < view.data.size(); begin += step) {
      const auto bytes = view.data.subspan(begin, std::min(step, view.data.size() - begin));
      PROSODIA_TRY(sink(bytes));
      tensors.release(bytes);
    }
    return {};
  }
  PROSODIA_ASSIGN(const at::ScalarType stored, scalar_type(view));
  return for_pieces(tensors, view, stored,
                    [&](const at::Tensor& piece, int64_t) { return sink(bytes_of(piece.to(torch_dtype(dtype)))); });
}

std::span<const std::byte> bytes_of(const at::Tensor& contiguous_cpu) {
  return {static_cast<const std::byte*>(contiguous_cpu.data_ptr()), static_cast<size_t>(contiguous_cpu.nbytes())};
}

}  // namespace prosodia
