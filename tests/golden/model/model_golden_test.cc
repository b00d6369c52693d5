// The forward, its gradients and greedy decoding against transformers 5.17.0 (generate.py wrote the stored values).
// Tolerances: forward 1e-5, gradients 1e-4, both relative to the largest stored magnitude of the tensor. Greedy ids:
// equal.
#include "tests/golden/model/golden_support.h"
#include "workers/model/load.h"

namespace prosodia {
namespace {

using namespace golden;

constexpr double kForwardTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-4;
constexpr int kAudioId = 90;

void expect_case(Model& model, const Cases& cases, const Cases& gradients, const std::string& name,
                 const PackedBatch& batch) {
  for (NamedParameter& parameter : model.parameters()) parameter.tensor.requires_grad_(true);
  const at::Tensor hidden = model.hidden(batch);
  EXPECT_LT(relative_error(model.logits(hidden).detach(), cases[name + ".logits"]), kForwardTolerance);
  const at::Tensor loss = -kept_logprobs(model, batch, hidden, cases.ids(name + ".labels")).mean();
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

std::vector<int64_t> greedy_ids(const Model& model, const Cases& cases, const std::string& name,
                                std::vector<std::shared_ptr<const LogMel>> clips, EngineBackend backend) {
  auto prompt = std::make_shared<EncodedPrompt>();
  for (const int64_t id : cases.ids(name + ".prompt")) prompt->token_ids.push_back(static_cast<int32_t>(id));
  prompt->clips = std::move(clips);
  const auto tokens = static_cast<int>(cases[name + ".greedy"].numel());
  return decode_greedily(model, {prompt}, tokens, {.max_rows = 2, .backend = backend}).at(0);
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
  EXPECT_EQ(greedy_ids(*model, cases, "audio_greedy", {clip}, EngineBackend::kAuto), expected);
  EXPECT_EQ(greedy_ids(*model, cases, "audio_greedy", {clip}, EngineBackend::kTensors), expected);
}

class Qwen2Golden : public testing::TestWithParam<const char*> {};

TEST_P(Qwen2Golden, LogitsLossGradientsGreedy) {
  const std::string name = GetParam();
  const auto model = load(name);
  const Cases cases(name + "_cases.safetensors");
  EXPECT_EQ(model->find("lm_head.weight") == nullptr, name == "qwen2_tied");
  expect_case(*model, cases, cases, "text", batch_of(cases, "text"));
  EXPECT_EQ(greedy_ids(*model, cases, "text_greedy", {}, EngineBackend::kAuto), cases.ids("text_greedy.greedy"));
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
  const at::Tensor loss = -kept_logprobs(model, batch, hidden, inputs.ids(case_name + ".labels")).mean();
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
