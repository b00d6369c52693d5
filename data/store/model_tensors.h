// A model folder's weights: model.safetensors, or model.safetensors.index.json with its shards.
//
// Called by the model loader, checkpoints and export. Reading is immutable after open and thread-safe. Failures: a
// missing or malformed file is kInvalidInput, naming the file and key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/store/safetensors.h"

namespace prosodia {

class ShardedTensors {
 public:
  const TensorView* find(std::string_view name) const;
  std::vector<std::string> names() const;  // sorted
  size_t size() const { return by_name_.size(); }
  uint64_t total_bytes() const;                                // of all tensors
  const std::map<std::string, std::string>& metadata() const;  // of the first file
  void release(std::span<const std::byte> part) const;         // SafetensorsFile::release of the file that has it
  const std::vector<std::shared_ptr<const SafetensorsFile>>& files() const { return files_; }
  const std::filesystem::path& dir() const { return dir_; }

 private:
  friend Result<ShardedTensors> open_model_tensors(const std::filesystem::path&);
  std::filesystem::path dir_;
  std::vector<std::shared_ptr<const SafetensorsFile>> files_;
  std::map<std::string, const TensorView*, std::less<>> by_name_;
};

// Prefers model.safetensors, as transformers does. Shard names with separators or ".." are refused; every name of the
// index must be in its shard, and every tensor of a shard in the index.
Result<ShardedTensors> open_model_tensors(const std::filesystem::path& dir);

struct ExpectedTensor {
  std::string name;
  std::vector<int64_t> shape;
};

// OK when the folder holds exactly these tensors with these shapes; otherwise kInvalidInput listing the missing, the
// unexpected and the misshaped ones (the first few of each, and how many). A name that starts with one of `ignored`
// may be there or not.
Status check_tensors(const ShardedTensors&, std::span<const ExpectedTensor>,
                     std::span<const std::string> ignored_prefixes = {});

inline constexpr uint64_t kDefaultMaxShardBytes = 5'000'000'000;  // Hugging Face's "5GB"

// Writes `dir`/model.safetensors, or shards model-00001-of-0000N.safetensors with their index when the tensors are
// larger than `max_shard_bytes` (a tensor is never split), in the order given. Each file is atomic and durable; files
// of the other layout are removed last, so a reader sees the old model or the new one.
Status write_model_tensors(FileSystem&, const std::filesystem::path& dir, std::span<const TensorSpec>,
                           const TensorProducer& producer, const std::map<std::string, std::string>& metadata,
                           uint64_t max_shard_bytes = kDefaultMaxShardBytes);
Status write_model_tensors(FileSystem&, const std::filesystem::path& dir, std::span<const TensorView>,
                           const std::map<std::string, std::string>& metadata,
                           uint64_t max_shard_bytes = kDefaultMaxShardBytes);

}  // namespace prosodia
