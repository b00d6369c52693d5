// Every stage of the forward, gradients, greedy decoding and three AdamW steps against transformers 5.17.0 over several
// shapes of attention and audio (generate_shapes.py wrote shapes/). Tolerances, relative to the largest stored
// magnitude of a tensor: activations 1e-5, gradients 1e-4. Greedy ids: equal.
//
// bfloat16: the distance to the stored float32 values, rms(bf16 - fp32) / rms(fp32), must not exceed kBf16Factor times
// that of transformers in bfloat16.
#include <iomanip>
#include <iostream>
#include <map>

#include "tests/golden/model/golden_support.h"
#include "workers/learner/optimizer.h"

namespace prosodia {
namespace {

using namespace golden;

constexpr double kForwardTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-4;
constexpr double kUpdateTolerance = 1e-3;  // of the sum of three updates, rms; AdamW divides by |g|, small g are noise
constexpr double kBf16Factor = 1.1;
constexpr double kBf16OneGradientFactor = 4;  // a bias of 16 elements has its luck (2.5 seen); all together: 1.1
constexpr double kLearningRate = 1e-2;
constexpr int kSteps = 3;

std::string stage_name(Stage stage, int index) {
  switch (stage) {
    case Stage::kConvolved:
      return "convolved";
    case Stage::kAudioLayer:
      return "audio_layer." + std::to_string(index);
    case Stage::kPooled:
      return "pooled";
    case Stage::kAudioEmbeddings:
      return "audio_embeddings";
    case Stage::kMerged:
      return "merged";
    case Stage::kDecoderLayer:
      return "decoder_layer." + std::to_string(index);
    case Stage::kFinalNorm:
      return "final_norm";
  }
  return "";
}

using Values = std::map<std::string, at::Tensor>;

class ShapeGolden : public testing::TestWithParam<const char*> {
 protected:
  ShapeGolden() : folder_(std::filesystem::path("shapes") / GetParam()), cases_(folder_ / "cases.safetensors") {
    batch_ = batch_of(cases_, "rows");
    labels_ = cases_.ids("labels");
    const auto clips = cases_.ids("clips_per_row");
    int next = 0;
    for (size_t row = 0; row < clips.size(); ++row) {
      auto prompt = std::make_shared<EncodedPrompt>();
      const auto& segment = batch_.segments[row];
      prompt->token_ids.assign(batch_.token_ids.begin() + segment.begin, batch_.token_ids.begin() + segment.end);
      for (int64_t i = 0; i < clips[row]; ++i) {
        prompt->clips.push_back(std::make_shared<const LogMel>(mel_of(cases_["mel." + std::to_string(next++)])));
        batch_.clips.push_back(prompt->clips.back().get());
      }
      prompts_.push_back(prompt);
    }
  }

  std::unique_ptr<Model> open(at::ScalarType dtype) const {
    auto model = load(folder_, dtype);
    for (NamedParameter& parameter : model->parameters()) parameter.tensor.requires_grad_(true);
    return model;
  }
  at::Tensor loss_of(const Model& model) const {
    return -kept_logprobs(model, batch_, model.hidden(batch_), labels_).mean();
  }

  // All that transformers' side stores of a forward and backward.
  Values run(Model& model) const {
    Values values;
    const auto observer = [&](Stage stage, int index, const at::Tensor& value) {
      const bool is_new = values.emplace(stage_name(stage, index), value.detach()).second;
      EXPECT_TRUE(is_new) << stage_name(stage, index) << " twice";
    };
    const at::Tensor hidden = model.hidden(batch_, {.kv = nullptr, .stage = observer});
    const at::Tensor logprobs = kept_logprobs(model, batch_, hidden, labels_), loss = -logprobs.mean();
    loss.backward();
    values["logits"] = model.logits(hidden).detach();
    values["logprobs"] = logprobs.detach();
    values["loss"] = loss.detach().reshape({1});
    for (const NamedParameter& parameter : model.parameters())
      values["grad." + parameter.name] = parameter.tensor.grad().clone();
    return values;
  }

  // The sum of three updates by the product's optimizer, over all parameters.
  at::Tensor updates(Model& model) const {
    const auto ranks = single_rank_collective();
    AdamWOptions options;
    options.weight_decay = 0.01;
    const at::Tensor before = flat(model);
    AdamW optimizer(model.parameters(), options, *ranks);
    for (int step = 0; step < kSteps; ++step) {
      optimizer.zero_grad();
      loss_of(model).backward();
      EXPECT_TRUE(optimizer.step(kLearningRate));
    }
    const at::Tensor master = optimizer.state().master;
    if (!master.defined()) return flat(model) - before;
    EXPECT_TRUE(at::equal(flat(model), master.to(at::kBFloat16).to(at::kFloat))) << "parameters follow their masters";
    return master - before;
  }
  // The sum that transformers' model makes; undefined where it is not stored.
  at::Tensor stored_updates() const {
    if (!std::filesystem::exists(fixtures() / folder_ / "adamw.safetensors")) return {};
    const Cases stored(folder_ / "adamw.safetensors");
    const auto model = open(at::kFloat);
    std::vector<at::Tensor> after;
    for (const NamedParameter& parameter : model->parameters()) after.push_back(stored[parameter.name].view(-1));
    return at::cat(after) - flat(*model);
  }
  static at::Tensor flat(const Model& model) {  // all parameters, float32
    std::vector<at::Tensor> parts;
    for (const NamedParameter& parameter : model.parameters())
      parts.push_back(parameter.tensor.detach().to(at::kFloat).view(-1));
    return at::cat(parts);
  }

  at::Tensor expected(const std::string& name) const {
    return name.starts_with("grad.") ? Cases(folder_ / "gradients.safetensors")[name] : cases_[name];
  }
  double transformers_error(const std::string& name) const { return cases_["bf16_error." + name].item<double>(); }

  std::filesystem::path folder_;
  Cases cases_;
  PackedBatch batch_;
  std::vector<int64_t> labels_;
  std::vector<std::shared_ptr<const EncodedPrompt>> prompts_;
};

void print(const std::string& shape, const std::string& what, double ours, double limit) {
  std::cout << "  " << std::left << std::setw(20) << shape << std::setw(24) << what << std::scientific
            << std::setprecision(1) << ours << "  (" << limit << ")\n";
}

TEST_P(ShapeGolden, StagesLogitsLossAndGradients) {
  const auto model = open(at::kFloat);
  const Values values = run(*model);
  double worst_gradient = 0;
  size_t compared = 0;
  for (const std::string& stored : cases_.names_with("bf16_error.")) {
    const std::string name = stored.substr(std::string("bf16_error.").size());
    if (name == "adamw") continue;
    ASSERT_TRUE(values.contains(name)) << name;
    const bool gradient = name.starts_with("grad.");
    const double error = relative_error(values.at(name), expected(name));
    EXPECT_LE(error, gradient ? kGradientTolerance : kForwardTolerance) << name;
    if (gradient)
      worst_gradient = std::max(worst_gradient, error);
    else
      print(GetParam(), name, error, kForwardTolerance);
    ++compared;
  }
  print(GetParam(), "gradients, worst", worst_gradient, kGradientTolerance);
  EXPECT_EQ(compared, values.size()) << "a value of ours has no counterpart";
}

TEST_P(ShapeGolden, PositionsAndRotations) {
  const auto model = open(at::kFloat);
  const at::Tensor positions = at::tensor(batch_.positions, at::kLong), expected_ids = cases_["position_ids"];
  const auto rows = [&](const at::Tensor& half) { return at::cat({half, half}, 1).index_select(0, positions); };
  for (int64_t axis = 0; axis < 3; ++axis) {  // temporal, height, width: equal without images and video
    EXPECT_TRUE(at::equal(expected_ids[axis], positions)) << axis;
    EXPECT_LE(relative_error(rows(model->rope_table().cos()), cases_["cos"][axis]), 1e-6);
    EXPECT_LE(relative_error(rows(model->rope_table().sin()), cases_["sin"][axis]), 1e-6);
  }
}

TEST_P(ShapeGolden, GreedyIdsOfAMixedBatch) {
  const auto model = open(at::kFloat);
  const at::Tensor expected_ids = cases_["greedy"];
  const auto tokens = static_cast<int>(expected_ids.size(1));
  for (const EngineBackend backend : {EngineBackend::kAuto, EngineBackend::kTensors}) {
    const auto ids = decode_greedily(*model, prompts_, tokens, {.max_rows = 4, .backend = backend});
    for (size_t row = 0; row < ids.size(); ++row) {
      const at::Tensor stored = expected_ids[static_cast<int64_t>(row)].contiguous();
      EXPECT_EQ(ids[row], std::vector<int64_t>(stored.data_ptr<int64_t>(), stored.data_ptr<int64_t>() + tokens)) << row;
    }
  }
}

TEST_P(ShapeGolden, ThreeAdamWSteps) {
  const at::Tensor stored = stored_updates();
  if (!stored.defined()) return;
  const auto exact = open(at::kFloat), rounded = open(at::kBFloat16);
  const double error = relative_rms(updates(*exact), stored), bf16_error = relative_rms(updates(*rounded), stored),
               bf16_limit = kBf16Factor * transformers_error("adamw");
  print(GetParam(), "adamw updates", error, kUpdateTolerance);
  print(GetParam(), "bf16 adamw", bf16_error, bf16_limit);
  EXPECT_LE(error, kUpdateTolerance);
  EXPECT_LE(bf16_error, bf16_limit);
}

TEST_P(ShapeGolden, Bf16IsAsCloseToFloatAsTransformers) {
  const auto model = open(at::kBFloat16);
  double ours = 0, theirs = 0, worst = 0;  // over gradients
  for (const auto& [name, value] : run(*model)) {
    const double error = relative_rms(value.to(at::kFloat), expected(name));
    // A mean's errors may cancel by luck; the loss is held to the spread of the log-probabilities it averages.
    const double reference = transformers_error(name == "loss" ? "logprobs" : name);
    if (name.starts_with("grad.")) {
      EXPECT_LE(error, kBf16OneGradientFactor * reference) << name;
      ours += error * error;
      theirs += reference * reference;
      worst = std::max(worst, error / reference);
    } else {
      EXPECT_LE(error, kBf16Factor * reference) << name;
      print(GetParam(), "bf16 " + name, error, kBf16Factor * reference);
    }
  }
  EXPECT_LE(ours, kBf16Factor * kBf16Factor * theirs) << "all gradients together";
  print(GetParam(), "bf16 gradients", std::sqrt(ours), kBf16Factor * std::sqrt(theirs));
  print(GetParam(), "bf16 worst ratio", worst, kBf16OneGradientFactor);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ShapeGolden,
                         testing::Values("mha_tied", "gqa4_head_dim", "mqa_head_dim_tied", "gqa2_long_clip",
                                         "qwen2_gqa3_head_dim"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace prosodia
