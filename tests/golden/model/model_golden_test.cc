// The forward, its gradients and greedy decoding against transformers 5.17.0 (generate.py wrote the stored values).
// Tolerances: forward 1e-5, gradients 1e-4, both relative to the largest stored magnitude of the tensor. Greedy ids:
// equal.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "data/store/safetensors.h"
#include "workers/model/load.h"
#include "workers/model/model.h"
#include "workers/rollout/engine.h"

namespace prosodia {
namespace {

constexpr double kForwardTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-4;
constexpr int kAudioId = 90;

std::filesystem::path fixtures() {
  const char* root = std::getenv("PROSODIA_SOURCE_DIR");
  return std::filesystem::path(root ? root : ".") / "tests/golden/model";
}

// The stored tensors of one model, by name.
class Cases {
 public:
  explicit Cases(const std::string& file_name) {
    auto file = SafetensorsFile::open(fixtures() / file_name);
    EXPECT_TRUE(file) << file.error().message;
    if (file) file_ = *file;
  }
  at::Tensor operator[](const std::string& name) const {
    const TensorView* view = file_->find(name);
    EXPECT_NE(view, nullptr) << name;
    at::Tensor tensor = at::empty(view->shape, view->dtype == DType::I64 ? at::kLong : at::kFloat);
    std::memcpy(tensor.data_ptr(), view->data.data(), view->data.size());
    return tensor;
  }
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

LogMel mel_of(const at::Tensor& values) {
  LogMel mel{static_cast<int>(values.size(0)), values.size(1), {}};
  mel.values.assign(values.data_ptr<float>(), values.data_ptr<float>() + values.numel());
  return mel;
}

double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  EXPECT_EQ(actual.sizes(), expected.sizes());
  return ((actual - expected).abs().max() / expected.abs().max()).item<double>();
}

std::unique_ptr<Model> load(const std::string& name) {
  auto model = Model::load(fixtures() / name);
  EXPECT_TRUE(model) << model.error().message;
  return model ? std::move(*model) : nullptr;
}

PackedBatch batch_of(const Cases& cases, const std::string& name) {
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

// Mean cross-entropy over rows whose successor has a label, through Model::logprobs as the learner computes it.
at::Tensor loss_of(const Model& model, const PackedBatch& batch, const at::Tensor& hidden,
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
  return -model.logprobs(h, at::tensor(targets, at::kLong), 1.0, false).logprobs.mean();
}

void expect_case(Model& model, const Cases& cases, const Cases& gradients, const std::string& name,
                 const PackedBatch& batch) {
  for (NamedParameter& parameter : model.parameters()) parameter.tensor.requires_grad_(true);
  const at::Tensor hidden = model.hidden(batch);
  EXPECT_LT(relative_error(model.logits(hidden).detach(), cases[name + ".logits"]), kForwardTolerance);
  const at::Tensor loss = loss_of(model, batch, hidden, cases.ids(name + ".labels"));
  EXPECT_LT(relative_error(loss.detach().reshape({1}), cases[name + ".loss"]), kForwardTolerance);

  const std::string prefix = name + ".grad.";
  const auto names = gradients.names_with(prefix);
  if (names.empty()) return;
  loss.backward();
  size_t compared = 0;
  for (const NamedParameter& parameter : model.parameters()) {
    ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
    EXPECT_LT(relative_error(parameter.tensor.grad(), gradients[prefix + parameter.name]), kGradientTolerance)
        << parameter.name;
    ++compared;
  }
  EXPECT_EQ(compared, names.size());
}

std::vector<int64_t> decode_greedily(const Model& model, const Cases& cases, const std::string& name,
                                     std::vector<std::shared_ptr<const LogMel>> clips, EngineBackend backend) {
  auto prompt = std::make_shared<EncodedPrompt>();
  for (const int64_t id : cases.ids(name + ".prompt")) prompt->token_ids.push_back(static_cast<int32_t>(id));
  prompt->clips = std::move(clips);
  SamplingParams params;
  params.greedy = true;
  params.max_completion_length = static_cast<int>(cases[name + ".greedy"].numel());
  Engine engine(model, params, {.max_rows = 2, .backend = backend});
  EXPECT_TRUE(engine.submit({.id = 1, .prompt = prompt, .num_generations = 1, .seed = 0}));
  std::vector<GenerationResult> results;
  while (!engine.idle()) {
    for (auto& result : engine.step()) results.push_back(std::move(result));
  }
  const auto& tokens = results.at(0).completions.at(0).token_ids;
  return {tokens.begin(), tokens.end()};
}

TEST(ThinkerGolden, TextOnly) {
  const auto model = load("thinker");
  const Cases cases("thinker_cases.safetensors");
  expect_case(*model, cases, cases, "text", batch_of(cases, "text"));
}

TEST(ThinkerGolden, AudioClipsAtChunkAndPairBoundaries) {
  const auto model = load("thinker");
  const Cases cases("thinker_cases.safetensors");
  std::vector<LogMel> mels;
  for (const int64_t index : cases.ids("audio.clip_order"))
    mels.push_back(mel_of(cases["mel." + std::to_string(index)]));
  PackedBatch batch = batch_of(cases, "audio");
  for (const LogMel& mel : mels) batch.clips.push_back(&mel);
  EXPECT_LT(relative_error(model->encode_audio(batch.clips), cases["audio.embeddings"]), kForwardTolerance);
  expect_case(*model, cases, Cases("thinker_gradients.safetensors"), "audio", batch);
  // The placeholder's own embedding is overwritten, so it gets no gradient.
  EXPECT_EQ(model->find("model.embed_tokens.weight")->grad()[kAudioId].abs().max().item<float>(), 0.0f);
}

TEST(ThinkerGolden, GreedyIds) {
  const auto model = load("thinker");
  const Cases cases("thinker_cases.safetensors");
  const auto clip = std::make_shared<const LogMel>(mel_of(cases["mel.5"]));
  const auto expected = cases.ids("audio_greedy.greedy");
  EXPECT_EQ(decode_greedily(*model, cases, "audio_greedy", {clip}, EngineBackend::kAuto), expected);
  EXPECT_EQ(decode_greedily(*model, cases, "audio_greedy", {clip}, EngineBackend::kTensors), expected);
}

class Qwen2Golden : public testing::TestWithParam<const char*> {};

TEST_P(Qwen2Golden, LogitsLossGradientsGreedy) {
  const std::string name = GetParam();
  const auto model = load(name);
  const Cases cases(name + "_cases.safetensors");
  EXPECT_EQ(model->find("lm_head.weight") == nullptr, name == "qwen2_tied");
  expect_case(*model, cases, cases, "text", batch_of(cases, "text"));
  EXPECT_EQ(decode_greedily(*model, cases, "text_greedy", {}, EngineBackend::kAuto), cases.ids("text_greedy.greedy"));
}

INSTANTIATE_TEST_SUITE_P(Heads, Qwen2Golden, testing::Values("qwen2_tied", "qwen2_untied"));

// Adapters that the peft package wrote, with random A and B, and what it computes with them (lora_oracle.py): logits,
// loss, and gradients of every stored A and B. The base has none.
void expect_adapter(const std::string& name, const std::string& cases_of_base, const std::string& case_name,
                    const std::vector<LogMel>& mels) {
  auto loaded = load_model(fixtures() / (name + "_lora"));
  ASSERT_TRUE(loaded) << loaded.error().message;
  Model& model = **loaded;
  const Cases inputs(cases_of_base), cases(name + "_lora_cases.safetensors");
  for (NamedParameter& parameter : model.parameters())
    parameter.tensor.requires_grad_(model.in_adapter(parameter.name));
  PackedBatch batch = batch_of(inputs, case_name);
  for (const LogMel& mel : mels) batch.clips.push_back(&mel);
  const at::Tensor hidden = model.hidden(batch);
  EXPECT_LT(relative_error(model.logits(hidden).detach(), cases["logits"]), kForwardTolerance);
  const at::Tensor loss = loss_of(model, batch, hidden, inputs.ids(case_name + ".labels"));
  EXPECT_LT(relative_error(loss.detach().reshape({1}), cases["loss"]), kForwardTolerance);
  loss.backward();
  const auto names = cases.names_with("grad.");
  EXPECT_GE(names.size(), 28u) << "seven linears of two layers, A and B";
  for (const std::string& stored : names) {
    const at::Tensor* parameter = model.find(stored.substr(std::string("grad.").size()));
    ASSERT_NE(parameter, nullptr) << stored;
    EXPECT_LT(relative_error(parameter->grad(), cases[stored]), kGradientTolerance) << stored;
  }
  for (const NamedParameter& parameter : model.parameters())
    EXPECT_EQ(parameter.tensor.grad().defined(), model.in_adapter(parameter.name)) << parameter.name;
}

TEST(LoraGolden, DecoderOfATiedTextModel) { expect_adapter("qwen2_tied", "qwen2_tied_cases.safetensors", "text", {}); }

TEST(LoraGolden, AudioTowerAndDecoderRankStabilised) {
  const Cases cases("thinker_cases.safetensors");
  std::vector<LogMel> mels;
  for (const int64_t index : cases.ids("audio.clip_order"))
    mels.push_back(mel_of(cases["mel." + std::to_string(index)]));
  expect_adapter("thinker", "thinker_cases.safetensors", "audio", mels);
}

}  // namespace
}  // namespace prosodia
