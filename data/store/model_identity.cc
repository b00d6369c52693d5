#include "data/store/model_identity.h"

#include <map>
#include <memory>
#include <vector>

#include "data/store/model_tensors.h"

namespace prosodia {
namespace {

// Everything besides weights that changes what the model reads or writes.
constexpr const char* kFiles[] = {"adapter_config.json",
                                  "added_tokens.json",
                                  "chat_template.json",
                                  "config.json",
                                  "generation_config.json",
                                  "merges.txt",
                                  "processor_config.json",
                                  "preprocessor_config.json",
                                  "prosodia_reward_model.json",
                                  "special_tokens_map.json",
                                  "tokenizer.json",
                                  "tokenizer_config.json",
                                  "vocab.json"};
constexpr size_t kBlockBytes = 4096, kBlocks = 4;

void add_values(DigestBuilder& builder, std::span<const std::byte> data, bool whole) {
  builder.add(uint64_t{data.size()});
  if (whole || data.size() <= kBlocks * kBlockBytes) {
    builder.add(data);
    return;
  }
  for (size_t i = 0; i < kBlocks; ++i)
    builder.add(data.subspan((data.size() - kBlockBytes) / (kBlocks - 1) * i, kBlockBytes));
  builder.add(data.last(kBlockBytes));  // the division above may stop short of the end
}

using Files = std::vector<std::shared_ptr<const SafetensorsFile>>;

Result<Files> weight_files(const std::filesystem::path& model_dir) {
  const auto adapter = model_dir / "adapter_model.safetensors";
  PROSODIA_ASSIGN(const bool is_adapter, posix_file_system().exists(adapter));
  if (is_adapter) {
    PROSODIA_ASSIGN(std::shared_ptr<const SafetensorsFile> file, SafetensorsFile::open(adapter));
    return Files{std::move(file)};
  }
  PROSODIA_ASSIGN(const ShardedTensors tensors, open_model_tensors(model_dir));
  return tensors.files();
}

}  // namespace

Result<Digest> file_digest(const std::filesystem::path& file) {
  PROSODIA_ASSIGN(const auto bytes, posix_file_system().read_file(file));
  return DigestBuilder().add(std::span<const std::byte>(bytes)).finish();
}

Result<Digest> model_identity(const std::filesystem::path& model_dir, uint64_t hashed_whole_bytes) {
  PROSODIA_ASSIGN(const Files weights, weight_files(model_dir));
  std::map<std::string_view, const TensorView*> tensors;  // by name: how they are cut into files does not matter
  uint64_t total_bytes = 0;
  for (const auto& file : weights) {
    for (const TensorView& view : file->tensors()) {
      tensors[view.name] = &view;
      total_bytes += view.data.size();
    }
  }
  DigestBuilder builder;
  builder.add("prosodia model 1");
  for (const char* file : kFiles) {
    PROSODIA_ASSIGN(const bool there, posix_file_system().exists(model_dir / file));
    if (!there) continue;
    PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(model_dir / file));
    builder.add(std::string_view(file)).add(std::string_view(text));
  }
  const bool whole = total_bytes <= hashed_whole_bytes;
  for (const auto& [tensor, found] : tensors) {
    const TensorView& view = *found;
    builder.add(tensor).add(name(view.dtype)).add(uint64_t{view.shape.size()});
    for (const int64_t dim : view.shape) builder.add(static_cast<uint64_t>(dim));
    add_values(builder, view.data, whole);
  }
  return builder.finish();
}

}  // namespace prosodia
