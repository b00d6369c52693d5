#include "data/store/model_tensors.h"

#include <algorithm>
#include <set>

#include "data/base/json.h"
#include "data/store/atomic_file.h"

namespace prosodia {
namespace {

using Path = std::filesystem::path;
using WeightMap = std::map<std::string, std::string>;  // tensor -> file

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

bool is_plain_file_name(std::string_view name) {
  return name.ends_with(".safetensors") && !name.starts_with('.') &&
         name.find_first_of("/\\") == std::string_view::npos && name.find("..") == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

Result<WeightMap> read_index(const Path& path) {
  PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path));
  std::set<std::string> seen;
  std::string twice;
  const auto watch = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    if (event == nlohmann::json::parse_event_t::key && depth == 2 && !seen.insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    if (event == nlohmann::json::parse_event_t::object_end && depth == 1) seen.clear();
    return true;
  };
  PROSODIA_ASSIGN(const nlohmann::json index, parse_json(text, path.string(), watch));
  if (!twice.empty()) return fail(ErrorCode::kInvalidInput, "{}: \"{}\" appears twice", path.string(), twice);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    return fail(ErrorCode::kInvalidInput, "{}: expected a JSON object with \"weight_map\"", path.string());
  WeightMap map;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string() || !is_plain_file_name(file.get_ref<const std::string&>()))
      return fail(ErrorCode::kInvalidInput,
                  "{}: \"{}\" is mapped to {}; expected a .safetensors file name in this folder", path.string(), tensor,
                  brief(file));
    map.emplace(tensor, file.get<std::string>());
  }
  return map;
}

std::string list_some(const std::vector<std::string>& names) {
  constexpr size_t kShown = 5;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size()));
  return fmt::format("{}{}", fmt::join(names.begin(), end, ", "), names.size() > kShown ? ", …" : "");
}

// Greedy, in order, never splitting a tensor.
std::vector<std::span<const TensorSpec>> split(std::span<const TensorSpec> tensors, uint64_t max_bytes) {
  std::vector<std::span<const TensorSpec>> shards;
  for (size_t begin = 0; begin < tensors.size();) {
    uint64_t bytes = byte_size(tensors[begin]);
    size_t end = begin + 1;
    while (end < tensors.size() && bytes + byte_size(tensors[end]) <= max_bytes) bytes += byte_size(tensors[end++]);
    shards.push_back(tensors.subspan(begin, end - begin));
    begin = end;
  }
  if (shards.empty()) shards.push_back(tensors);
  return shards;
}

// Files of an earlier save that the new one does not name.
Status remove_others(FileSystem& fs, const Path& dir, const std::set<std::string>& keep) {
  PROSODIA_ASSIGN(const auto entries, fs.list_dir(dir));
  for (const DirEntry& entry : entries) {
    const bool ours = entry.name == kIndex || entry.name == kSingle ||
                      (entry.name.starts_with("model-") && entry.name.ends_with(".safetensors"));
    if (ours && !entry.is_directory && !keep.contains(entry.name)) PROSODIA_TRY(fs.remove(dir / entry.name));
  }
  return fs.sync_dir(dir);
}

tl::unexpected<Error> no_weights(const Path& dir) {
  std::error_code ignored;
  const bool pickled = std::filesystem::exists(dir / "pytorch_model.bin", ignored) ||
                       std::filesystem::exists(dir / "pytorch_model.bin.index.json", ignored);
  return fail(ErrorCode::kInvalidInput, "{}: neither {} nor {} is there: expected a Hugging Face model folder{}",
              dir.string(), kSingle, kIndex,
              pickled ? ". pytorch_model.bin is not read: save the model with safe_serialization=True" : "");
}

// A tensor that the index does not name, or places in another file, would be read by one program and not by the next.
Status check_all_indexed(const Path& index, const WeightMap& weight_map,
                         std::span<const std::shared_ptr<const SafetensorsFile>> files) {
  std::vector<std::string> extra;
  for (const auto& file : files) {
    for (const TensorView& tensor : file->tensors()) {
      const auto mapped = weight_map.find(tensor.name);
      if (mapped == weight_map.end() || mapped->second != file->path().filename()) extra.push_back(tensor.name);
    }
  }
  if (extra.empty()) return {};
  return fail(ErrorCode::kInvalidInput,
              "{}: {} tensors of its files are not in it, or elsewhere: {}. Fetch the model again", index.string(),
              extra.size(), list_some(extra));
}

}  // namespace

const TensorView* ShardedTensors::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::vector<std::string> ShardedTensors::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : by_name_) names.push_back(name);
  return names;
}

uint64_t ShardedTensors::total_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : by_name_) bytes += tensor->data.size();
  return bytes;
}

void ShardedTensors::release(std::span<const std::byte> part) const {
  for (const auto& file : files_)
    if (file->contains(part)) file->release(part);
}

const std::map<std::string, std::string>& ShardedTensors::metadata() const {
  static const std::map<std::string, std::string> kNone;
  return files_.empty() ? kNone : files_.front()->metadata();
}

Result<ShardedTensors> open_model_tensors(const Path& dir) {
  ShardedTensors model;
  model.dir_ = dir;
  PROSODIA_ASSIGN(const bool single, posix_file_system().exists(dir / kSingle));
  PROSODIA_ASSIGN(const bool sharded, posix_file_system().exists(dir / kIndex));
  if (!single && !sharded) return no_weights(dir);
  if (single) {
    PROSODIA_ASSIGN(auto file, SafetensorsFile::open(dir / kSingle));
    for (const TensorView& tensor : file->tensors()) model.by_name_.emplace(tensor.name, &tensor);
    model.files_.push_back(std::move(file));
    return model;
  }
  PROSODIA_ASSIGN(const WeightMap weight_map, read_index(dir / kIndex));
  std::map<std::string, const SafetensorsFile*> opened;
  for (const auto& [tensor, shard] : weight_map) {
    auto [it, is_new] = opened.try_emplace(shard, nullptr);
    if (is_new) {
      PROSODIA_ASSIGN(auto file, SafetensorsFile::open(dir / shard));
      it->second = file.get();
      model.files_.push_back(std::move(file));
    }
    const TensorView* found = it->second->find(tensor);
    if (found == nullptr)
      return fail(ErrorCode::kInvalidInput, "{}: tensor \"{}\" should be in {} and is not: fetch the model again",
                  (dir / kIndex).string(), tensor, shard);
    model.by_name_.emplace(tensor, found);
  }
  PROSODIA_TRY(check_all_indexed(dir / kIndex, weight_map, model.files_));
  return model;
}

Status check_tensors(const ShardedTensors& model, std::span<const ExpectedTensor> expected,
                     std::span<const std::string> ignored_prefixes) {
  std::vector<std::string> missing, misshaped, unexpected;
  std::set<std::string_view> known;
  const auto ignored = [&](std::string_view name) {
    return std::any_of(ignored_prefixes.begin(), ignored_prefixes.end(),
                       [&](const auto& p) { return name.starts_with(p); });
  };
  for (const ExpectedTensor& tensor : expected) {
    known.insert(tensor.name);
    const TensorView* found = model.find(tensor.name);
    if (found == nullptr && !ignored(tensor.name)) missing.push_back(tensor.name);
    if (found != nullptr && found->shape != tensor.shape)
      misshaped.push_back(fmt::format("{} is [{}], expected [{}]", tensor.name, fmt::join(found->shape, ", "),
                                      fmt::join(tensor.shape, ", ")));
  }
  for (const std::string& name : model.names())
    if (!known.contains(name) && !ignored(name)) unexpected.push_back(name);
  std::string problems;
  for (const auto& [label, names] :
       {std::pair{"missing", &missing}, {"of another shape", &misshaped}, {"unexpected", &unexpected}})
    if (!names->empty()) problems += fmt::format("; {} {}: {}", names->size(), label, list_some(*names));
  if (problems.empty()) return {};
  return fail(ErrorCode::kInvalidInput, "{}: the weights do not fit config.json{}", model.dir().string(), problems);
}

Status write_model_tensors(FileSystem& fs, const Path& dir, std::span<const TensorSpec> tensors,
                           const TensorProducer& producer, const std::map<std::string, std::string>& metadata,
                           uint64_t max_shard_bytes) {
  const auto shards = split(tensors, max_shard_bytes);
  std::set<std::string> written;
  if (shards.size() == 1) {
    PROSODIA_TRY(write_safetensors(fs, dir / kSingle, tensors, producer, metadata));
    written.insert(kSingle);
    return remove_others(fs, dir, written);
  }
  uint64_t total_bytes = 0;
  WeightMap weight_map;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    for (const TensorSpec& tensor : shards[i]) {
      weight_map[tensor.name] = name;
      total_bytes += byte_size(tensor);
    }
    PROSODIA_TRY(write_safetensors(fs, dir / name, shards[i], producer, metadata));
    written.insert(name);
  }
  const nlohmann::ordered_json index = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", weight_map}};
  PROSODIA_TRY(write_file_atomic(fs, dir / kIndex, index.dump(2) + "\n"));
  written.insert(kIndex);
  return remove_others(fs, dir, written);
}

Status write_model_tensors(FileSystem& fs, const Path& dir, std::span<const TensorView> tensors,
                           const std::map<std::string, std::string>& metadata, uint64_t max_shard_bytes) {
  const auto specs = specs_of(tensors);
  return write_model_tensors(fs, dir, specs, producer_of(tensors), metadata, max_shard_bytes);
}

}  // namespace prosodia
