// Adapters: the formula, saving and loading, merging, and what is refused. peft's own numbers: tests/golden/model.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/model/tiny_model.h"
#include "workers/model/adapter_merge.h"
#include "workers/model/freeze.h"
#include "workers/model/load.h"
#include "workers/model/policy_weights.h"
#include "workers/model/processor.h"
#include "workers/model/weights.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::HasSubstr;
namespace fs = std::filesystem;

LoraOptions small_adapter() {
  return {.r = 4, .lora_alpha = 6, .target_modules = {"all-linear", "audio_tower.all-linear"}, .seed = 5};
}

class AdapterTest : public testing::Test {
 protected:
  AdapterTest() {
    ok(create_model_dir(tiny_options(), tiny_tokenizer(), base()));
    const auto model = value_of(load_model(base()));
    roughen(*model);
    ok(model->save(base()));
    mel_ = random_mel(70, 3);
  }
  fs::path base() const { return dir_ / "base"; }

  // With random A and B, so that the adapter does something.
  std::shared_ptr<Model> adapted(const LoraOptions& options = small_adapter(), const fs::path& from = {}) {
    auto model = value_of(load_model(from.empty() ? base() : from, {.lora = options}));
    PhiloxStream noise(77);
    for (NamedParameter& parameter : model->parameters()) {
      if (!model->in_adapter(parameter.name)) continue;
      float* values = parameter.tensor.data_ptr<float>();
      for (int64_t i = 0; i < parameter.tensor.numel(); ++i) values[i] += 0.2f * noise.next_normal();
    }
    return model;
  }
  PackedBatch batch() const {
    PackedBatch batch;
    batch.clips = {&mel_};
    const int64_t audio = num_audio_tokens(mel_.num_frames);
    batch.token_ids = {3, 9, 4};
    const auto audio_id = value_of(ModelConfig::load(base())).audio_token_id;
    batch.token_ids.insert(batch.token_ids.end(), static_cast<size_t>(audio), audio_id);
    batch.token_ids.insert(batch.token_ids.end(), {7, 8, 20, 31});
    for (size_t i = 0; i < batch.token_ids.size(); ++i) batch.positions.push_back(static_cast<int64_t>(i));
    batch.segments = {{.begin = 0, .end = static_cast<int64_t>(batch.token_ids.size())}};
    return batch;
  }
  at::Tensor logits(const Model& model) const {
    const at::NoGradGuard no_grad;
    return model.logits(model.hidden(batch()));
  }
  static double distance(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }
  // As `prosodia export` does it.
  fs::path export_merged(const Model& model, const fs::path& from) {
    ok(save_policy(model, from, dir_ / "to-merge"));
    auto merge = value_of(AdapterMerge::open(dir_ / "to-merge"));
    value_of(export_model(from, dir_ / "merged", {.edit = &merge}));
    return dir_ / "merged";
  }
  void edit_config(const fs::path& adapter, const std::function<void(nlohmann::json&)>& edit) {
    nlohmann::json config = nlohmann::json::parse(std::ifstream(adapter / "adapter_config.json"));
    edit(config);
    std::ofstream(adapter / "adapter_config.json") << config.dump();
  }

  TempDir dir_;
  LogMel mel_;
};

TEST_F(AdapterTest, AFreshOneChangesNothingAndDependsOnItsSeed) {
  const auto plain = value_of(load_model(base()));
  const auto fresh = value_of(load_model(base(), {.lora = small_adapter()}));
  EXPECT_TRUE(at::equal(logits(*plain), logits(*fresh)));
  const std::string a = "model.layers.1.mlp.up_proj.lora_A.weight";
  const float bound = 1.0f / std::sqrt(48.0f);  // inputs of up_proj
  EXPECT_LE(fresh->find(a)->abs().max().item<float>(), bound);
  EXPECT_GT(fresh->find(a)->abs().max().item<float>(), 0.9f * bound);
  EXPECT_TRUE(at::equal(*fresh->find(a), *value_of(load_model(base(), {.lora = small_adapter()}))->find(a)));
  LoraOptions other = small_adapter();
  other.seed = 6;
  EXPECT_FALSE(at::equal(*fresh->find(a), *value_of(load_model(base(), {.lora = other}))->find(a)));
}

TEST_F(AdapterTest, MergedAndUnmergedAgree) {
  const auto model = adapted();
  EXPECT_GT(distance(logits(*model), logits(*value_of(load_model(base())))), 0.1);
  const auto merged = value_of(load_model(export_merged(*model, base())));
  EXPECT_FALSE(merged->has_adapter());
  const at::Tensor expected = logits(*model);
  EXPECT_LE(distance(logits(*merged), expected), 1e-5 * std::max(1.0, expected.abs().max().item<double>()));
}

TEST_F(AdapterTest, RankStabilisedScalingIsAlphaOverTheRoot) {
  LoraOptions plain = small_adapter(), stabilised = small_adapter();
  stabilised.use_rslora = true;
  stabilised.lora_alpha = plain.lora_alpha / 2;  // r = 4: alpha / sqrt(r) equals twice alpha / r
  EXPECT_TRUE(at::equal(logits(*adapted(plain)), logits(*adapted(stabilised))));
}

TEST_F(AdapterTest, SavedAndLoadedItHasTheSameBits) {
  const auto model = adapted();
  ok(save_policy(*model, base(), dir_ / "adapter"));
  EXPECT_FALSE(fs::exists(dir_ / "adapter" / "model.safetensors"));
  EXPECT_TRUE(fs::exists(dir_ / "adapter" / "tokenizer.json"));
  const auto again = value_of(load_model(dir_ / "adapter"));  // finds its base
  EXPECT_EQ(pack_weights(*again), pack_weights(*model));
  EXPECT_TRUE(at::equal(logits(*again), logits(*model)));
  const auto beside = value_of(load_model(base(), {.adapter_dir = dir_ / "adapter"}));
  EXPECT_EQ(pack_weights(*beside), pack_weights(*model));
  EXPECT_TRUE(Processor::load(dir_ / "adapter", nullptr));
}

TEST_F(AdapterTest, ABasePathMayBeRelativeToTheAdapter) {
  ok(save_policy(*adapted(), base(), dir_ / "adapter"));
  edit_config(dir_ / "adapter", [](auto& config) { config["base_model_name_or_path"] = "../base"; });
  EXPECT_TRUE(load_model(dir_ / "adapter"));
  edit_config(dir_ / "adapter", [](auto& config) { config["base_model_name_or_path"] = "Qwen/nowhere"; });
  EXPECT_THAT(load_model(dir_ / "adapter").error().message, HasSubstr("--model BASE --adapter"));
}

TEST_F(AdapterTest, ATiedHeadStaysTied) {
  CreateOptions tied = tiny_options();
  const auto config = [&] {
    ModelConfig made = value_of(make_config(tied, tiny_tokenizer()));
    made.tie_word_embeddings = true;
    return made;
  }();
  const auto model = Model::random(config, 4);
  ok(model->save(dir_ / "tied"));
  const auto with = adapted(small_adapter(), dir_ / "tied");
  const auto merged = value_of(load_model(export_merged(*with, dir_ / "tied")));
  EXPECT_EQ(merged->find("lm_head.weight"), nullptr);
  EXPECT_TRUE(at::equal(*merged->find("model.embed_tokens.weight"), *model->find("model.embed_tokens.weight")));
  LoraOptions whole = small_adapter();
  whole.modules_to_save = {"embeddings"};
  EXPECT_THAT(load_model(dir_ / "tied", {.lora = whole}).error().message, HasSubstr("untie"));
}

TEST_F(AdapterTest, PartsStoredWholeTravelWithTheAdapter) {
  LoraOptions options = small_adapter();
  options.target_modules = {"q_proj", "v_proj"};
  options.modules_to_save = {"projector"};
  const auto model = adapted(options);
  ok(save_policy(*model, base(), dir_ / "adapter"));
  const auto again = value_of(load_model(dir_ / "adapter"));
  EXPECT_EQ(pack_weights(*again), pack_weights(*model));
  EXPECT_TRUE(again->in_adapter("audio_tower.proj.weight"));
  EXPECT_FALSE(again->in_adapter("audio_tower.conv1.weight"));
}

TEST_F(AdapterTest, WhatIsNotUnderstoodIsRefusedByName) {
  const auto error = [&](const std::function<void(nlohmann::json&)>& edit) {
    ok(save_policy(*adapted(), base(), dir_ / "adapter"));
    edit_config(dir_ / "adapter", edit);
    const auto loaded = load_model(dir_ / "adapter");
    EXPECT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, ErrorCode::kInvalidInput);
    return loaded.error().message;
  };
  EXPECT_THAT(error([](auto& c) { c["peft_type"] = "IA3"; }), HasSubstr("peft_type"));
  EXPECT_THAT(error([](auto& c) { c["use_dora"] = true; }), HasSubstr("DoRA"));
  EXPECT_THAT(error([](auto& c) { c["bias"] = "all"; }), HasSubstr("`bias`"));
  EXPECT_THAT(error([](auto& c) { c["rank_pattern"] = {{"q_proj", 8}}; }), HasSubstr("rank_pattern"));
  EXPECT_THAT(error([](auto& c) { c["init_lora_weights"] = "pissa_niter_4"; }), HasSubstr("init_lora_weights"));
  EXPECT_THAT(error([](auto& c) { c["r"] = "four"; }), HasSubstr("`r`"));
  EXPECT_THAT(error([](auto& c) { c["r"] = 5; }), HasSubstr("lora_A.weight` is [4, "));
  LoraOptions wrong = small_adapter();
  wrong.target_modules = {"qkv_proj"};
  EXPECT_THAT(load_model(base(), {.lora = wrong}).error().message, HasSubstr("audio_tower.fc1"));
  wrong = small_adapter();
  wrong.r = 9;
  ok(save_policy(*adapted(), base(), dir_ / "adapter"));
  EXPECT_THAT(load_model(dir_ / "adapter", {.lora = wrong}).error().message, HasSubstr("lora_r 4"));
}

TEST_F(AdapterTest, AnAdapterOfAnotherModelIsNotMerged) {
  ok(save_policy(*adapted(), base(), dir_ / "adapter"));
  CreateOptions wider = tiny_options();
  wider.text_intermediate = 96;
  ok(create_model_dir(wider, tiny_tokenizer(), dir_ / "wider"));
  auto merge = value_of(AdapterMerge::open(dir_ / "adapter"));
  EXPECT_THAT(export_model(dir_ / "wider", dir_ / "merged", {.edit = &merge}).error().message, HasSubstr("gate_proj"));
  EXPECT_THAT(load_model(dir_ / "wider", {.adapter_dir = dir_ / "adapter"}).error().message, HasSubstr("gate_proj"));
}

TEST_F(AdapterTest, WithoutMergingTheFolderIsTheAdapter) {
  const auto model = adapted();
  ok(save_policy(*model, base(), dir_ / "adapter"));
  ok(export_adapter(dir_ / "adapter", base(), dir_ / "copy"));
  EXPECT_EQ(pack_weights(*value_of(load_model(dir_ / "copy"))), pack_weights(*model));
  EXPECT_THAT(export_adapter(dir_ / "adapter", base(), dir_ / "copy").error().message, HasSubstr("something in it"));
}

TEST_F(AdapterTest, ASnapshotKeepsTodaysValuesAndSharesTheRest) {
  const auto model = adapted();
  const auto weights = value_of(PolicyWeights::create(*model, {}));
  const auto kept = model->snapshot(weights.changing());
  const at::Tensor before = logits(*model);
  for (const NamedParameter& parameter : weights.changing()) parameter.tensor.detach().mul_(0.5);
  EXPECT_TRUE(at::equal(logits(*kept), before));
  EXPECT_FALSE(at::equal(logits(*model), before));
  const std::string base_weight = "model.layers.0.mlp.up_proj.weight";
  EXPECT_EQ(kept->find(base_weight)->data_ptr(), model->find(base_weight)->data_ptr());
  const auto fresh = value_of(load_model(base(), {.lora = small_adapter()}));
  EXPECT_FALSE(fresh->snapshot(value_of(PolicyWeights::create(*fresh, {})).changing())->has_adapter()) << "B is zero";
}

TEST_F(AdapterTest, OnlyWhatTrainsTravels) {
  const auto model = adapted();
  auto weights = value_of(PolicyWeights::create(*model, {}));
  EXPECT_TRUE(weights.only_adapter());
  const auto packed = weights.pack();
  EXPECT_LT(packed.size(), pack_weights(*model).size() / 2);
  for (const NamedParameter& parameter : weights.changing()) parameter.tensor.detach().zero_();
  ok(weights.unpack(packed));
  EXPECT_EQ(weights.pack(), packed);
  const auto other = adapted();
  other->find("model.norm.weight")->detach().add_(1);
  EXPECT_THAT(value_of(PolicyWeights::create(*other, {})).unpack(packed).error().message, HasSubstr("another base"));
}

TEST(FreezeSpec, WordsAndRanges) {
  const auto freezes = [](const char* words, const char* name) {
    return value_of(FreezeSpec::parse(words)).freezes(name);
  };
  EXPECT_TRUE(freezes("audio_tower", "audio_tower.layers.3.fc1.weight"));
  EXPECT_FALSE(freezes("audio_tower", "audio_tower.proj.weight"));
  EXPECT_TRUE(freezes("projector", "audio_tower.ln_post.bias"));
  EXPECT_TRUE(freezes("decoder", "model.norm.weight"));
  EXPECT_FALSE(freezes("embeddings", "lm_head.weight"));
  EXPECT_TRUE(freezes("embeddings,lm_head", "lm_head.weight"));
  EXPECT_TRUE(freezes("layers.0-11", "model.layers.11.self_attn.q_proj.lora_A.weight"));
  EXPECT_FALSE(freezes("layers.0-11", "model.layers.12.self_attn.q_proj.weight"));
  EXPECT_FALSE(freezes("layers.1", "model.layers.10.mlp.up_proj.weight"));
  EXPECT_FALSE(freezes("layers.1", "audio_tower.layers.1.fc1.weight"));
  EXPECT_TRUE(freezes("audio_tower.layers.0-1", "audio_tower.layers.1.fc1.weight"));
  for (const char* wrong : {"vision", "layers", "layers.", "layers.3-1", "layers.-1", "layers.1-", "layers.x", "a,"})
    EXPECT_THAT(FreezeSpec::parse(wrong).error().message, HasSubstr("audio_tower, projector, decoder")) << wrong;
}

TEST(FreezeSpec, AWordThatNamesNothingIsRefused) {
  const auto model = tiny_model(tiny_tokenizer());
  const auto error = [&](const char* words) {
    return PolicyWeights::create(*model, value_of(FreezeSpec::parse(words))).error().message;
  };
  EXPECT_THAT(error("layers.0-1,layers.7"), HasSubstr("layers.7"));
  EXPECT_THAT(error("audio_tower,projector,decoder,embeddings"), HasSubstr("every part is frozen"));
}

}  // namespace
}  // namespace prosodia
