// Merging an adapter on export: W + scaling B A, tensor by tensor, and the parts stored whole in place of the base's.
// Called by the export command. Single thread. Failure: kInvalidInput for an adapter of another model, and for one that
// also changes towers which no forward here runs (merge that with peft).
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "workers/model/adapter_config.h"
#include "workers/model/adapter_tensors.h"
#include "workers/model/export.h"

namespace prosodia {

class AdapterMerge final : public ExportEdit {
 public:
  static Result<AdapterMerge> open(const std::filesystem::path& adapter_dir);

  Status check(std::span<const ExpectedTensor> parameters) override;
  bool touches(std::string_view name) const override;
  Status apply(std::string_view name, at::Tensor& weight) override;

 private:
  AdapterMerge(AdapterConfig config, AdapterTensors tensors)
      : config_(std::move(config)), tensors_(std::move(tensors)) {}

  AdapterConfig config_;
  AdapterTensors tensors_;
};

// The adapter folder as it is, under another name: adapter_config.json with `base_dir` as its base, the tensors, and
// the base's tokenizer files. `output_dir` must not exist, or be empty.
Status export_adapter(const std::filesystem::path& adapter_dir, const std::filesystem::path& base_dir,
                      const std::filesystem::path& output_dir);

}  // namespace prosodia
