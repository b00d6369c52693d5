// Stored values of transformers as tensors, and the product's side of a comparison with them.
#pragma once

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/store/safetensors.h"
#include "workers/model/model.h"
#include "workers/rollout/engine.h"

namespace prosodia::golden {

inline std::filesystem::path fixtures() {
  const char* root = std::getenv("PROSODIA_SOURCE_DIR");
  return std::filesystem::path(root ? root : ".") / "tests/golden/model";
}

// The tensors of one stored file, by name.
class Cases {
 public:
  explicit Cases(const std::filesystem::path& file_name) {
    auto file = SafetensorsFile::open(fixtures() / file_name);
    EXPECT_TRUE(file) << file.error().message;
    if (file) file_ = *file;
  }
  // As stored; bfloat16 widened to float32.
  at::Tensor operator[](const std::string& name) const {
    const TensorView* view = file_->find(name);
    EXPECT_NE(view, nullptr) << name;
    const auto type = view->dtype == DType::I64 ? at::kLong : view->dtype == DType::BF16 ? at::kBFloat16 : at::kFloat;
    EXPECT_TRUE(type != at::kFloat || view->dtype == DType::F32 || view->dtype == DType::F64) << name;
    at::Tensor tensor = at::empty(view->shape, view->dtype == DType::F64 ? at::kDouble : type);
    std::memcpy(tensor.data_ptr(), view->data.data(), view->data.size());
    return type == at::kLong ? tensor : tensor.to(at::kFloat);
  }
  bool has(const std::string& name) const { return file_->find(name) != nullptr; }
  std::vector<int64_t> ids(const std::string& name) const {
    const at::Tensor tensor = (*this)[name];
    return {tensor.data_ptr<int64_t>(), tensor.data_ptr<int64_t>() + tensor.numel()};
  }
  std::vector<std::string> names_with(const std::string& part) const {
    std::vector<std::string> names;
    for (const TensorView& view : file_->tensors()) {
      if (view.name.find(part) != std::string::npos) names.push_back(view.name);
    }
    return names;
  }

 private:
  std::shared_ptr<const SafetensorsFile> file_;
};

inline LogMel mel_of(const at::Tensor& values) {
  LogMel mel{static_cast<int>(values.size(0)), values.size(1), {}};
  mel.values.assign(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
  return mel;
}

// max |actual - expected| / max |expected|.
inline double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  EXPECT_EQ(actual.sizes(), expected.sizes());
  return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
}

// rms(actual - expected) / rms(expected).
inline double relative_rms(const at::Tensor& actual, const at::Tensor& expected) {
  EXPECT_EQ(actual.sizes(), expected.sizes());
  const at::Tensor a = actual.to(at::kDouble), b = expected.to(at::kDouble);
  return ((a - b).square().mean() / b.square().mean()).sqrt().item<double>();
}

inline std::unique_ptr<Model> load(const std::filesystem::path& name, at::ScalarType dtype = at::kFloat) {
  auto model = Model::load(fixtures() / name, {.dtype = dtype});
  EXPECT_TRUE(model) << model.error().message;
  return model ? std::move(*model) : nullptr;
}

// The rows stored under `name`, packed.
inline PackedBatch batch_of(const Cases& cases, const std::string& name) {
  PackedBatch batch;
  batch.token_ids = cases.ids(name + ".token_ids");
  int64_t begin = 0;
  for (const int64_t length : cases.ids(name + ".lengths")) {
    batch.segments.push_back({.begin = begin, .end = begin + length});
    for (int64_t i = 0; i < length; ++i) batch.positions.push_back(i);
    begin += length;
  }
  return batch;
}

// Log-probabilities of rows whose successor has a label, through Model::logprobs as the learner computes them.
inline at::Tensor kept_logprobs(const Model& model, const PackedBatch& batch, const at::Tensor& hidden,
                                const std::vector<int64_t>& labels) {
  std::vector<int64_t> rows, targets;
  for (const auto& segment : batch.segments) {
    for (int64_t i = segment.begin; i + 1 < segment.end; ++i) {
      if (labels[i + 1] < 0) continue;
      rows.push_back(i);
      targets.push_back(labels[i + 1]);
    }
  }
  const at::Tensor h = hidden.index_select(0, at::tensor(rows, at::kLong));
  return model.logprobs(h, at::tensor(targets, at::kLong), 1.0, false).logprobs;
}

// Greedy continuations of all prompts, run together.
inline std::vector<std::vector<int64_t>> decode_greedily(
    const Model& model, const std::vector<std::shared_ptr<const EncodedPrompt>>& prompts, int tokens,
    EngineOptions options) {
  SamplingParams params;
  params.greedy = true;
  params.max_completion_length = tokens;
  Engine engine(model, params, options);
  for (size_t i = 0; i < prompts.size(); ++i)
    EXPECT_TRUE(engine.submit({.id = i, .prompt = prompts[i], .num_generations = 1, .seed = 0}));
  std::vector<std::vector<int64_t>> results(prompts.size());
  while (!engine.idle()) {
    for (const auto& result : engine.step()) {
      const auto& ids = result.completions.at(0).token_ids;
      results[result.id].assign(ids.begin(), ids.end());
    }
  }
  return results;
}

}  // namespace prosodia::golden
