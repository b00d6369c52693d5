#include "workers/model/model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/store/model_tensors.h"
#include "tests/unit/model/tiny_model.h"
#include "workers/model/load.h"
#include "workers/model/weights.h"

namespace prosodia {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;

bool same_bits(const at::Tensor& a, const at::Tensor& b) { return at::equal(a, b); }

PackedBatch sequence(const std::vector<int64_t>& ids) {
  PackedBatch batch;
  batch.token_ids = ids;
  for (size_t i = 0; i < ids.size(); ++i) batch.positions.push_back(static_cast<int64_t>(i));
  batch.segments = {{.begin = 0, .end = static_cast<int64_t>(ids.size())}};
  return batch;
}

std::vector<int64_t> some_ids(int64_t count, uint64_t seed) {
  PhiloxStream stream(seed);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(stream.next_below(300));
  return ids;
}

// A model folder on disk and its tensors, to be rewritten in other ways.
class ModelFolder : public testing::Test {
 protected:
  ModelFolder() : tokenizer_(tiny_tokenizer()) {
    ok(create_model_dir(tiny_options(), tokenizer_, dir_.path()));
    tensors_ = value_of(open_model_tensors(dir_.path()));
  }
  std::vector<TensorView> views(const std::string& prefix = "") const {
    std::vector<TensorView> views;
    for (const std::string& name : tensors_.names()) {
      views.push_back(*tensors_.find(name));
      views.back().name = prefix + name;
    }
    return views;
  }
  // A second folder with these tensors and the same config, `edit`ed.
  std::filesystem::path rewrite(const std::vector<TensorView>& views, uint64_t max_shard_bytes = kDefaultMaxShardBytes,
                                const std::function<void(nlohmann::json&)>& edit = nullptr) {
    const auto target = dir_ / "rewritten";
    std::filesystem::remove_all(target);
    ok(posix_file_system().create_dirs(target));
    ok(write_model_tensors(posix_file_system(), target, views, {{"format", "pt"}}, max_shard_bytes));
    std::ifstream in(dir_ / "config.json");
    nlohmann::json config = nlohmann::json::parse(in);
    if (edit) edit(config);
    std::ofstream(target / "config.json") << config;
    return target;
  }
  std::string load_error(const std::filesystem::path& dir) {
    auto model = Model::load(dir);
    EXPECT_FALSE(model);
    if (model) return "";
    EXPECT_EQ(model.error().code, ErrorCode::kInvalidInput);
    return model.error().message;
  }

  TempDir dir_;
  Tokenizer tokenizer_;
  ShardedTensors tensors_;
};

TEST_F(ModelFolder, FreshModelsAreDeterministicInTheSeed) {
  const ModelConfig config = value_of(make_config(tiny_options(), tokenizer_));
  const auto weights = [&](uint64_t seed) { return digest_weights(pack_weights(*Model::random(config, seed))); };
  EXPECT_EQ(weights(7), weights(7));
  EXPECT_NE(weights(7), weights(8));
  EXPECT_EQ(digest_weights(pack_weights(*value_of(Model::load(dir_.path())))), weights(7));
}

TEST_F(ModelFolder, PrefixAndShardsDoNotMatter) {
  const auto plain = value_of(Model::load(dir_.path()));
  auto prefixed = views("thinker.");
  const float talker[2] = {1, 2};
  prefixed.push_back({"talker.x", DType::F32, {2}, std::as_bytes(std::span(talker))});
  const auto sharded = value_of(Model::load(rewrite(prefixed, /*max_shard_bytes=*/20'000)));
  EXPECT_EQ(pack_weights(*plain), pack_weights(*sharded));
  const auto batch = sequence(some_ids(9, 1));
  EXPECT_TRUE(same_bits(plain->hidden(batch), sharded->hidden(batch)));
}

TEST_F(ModelFolder, SavesLoadAgainWithoutTheTensorsNobodyReads) {
  auto prefixed = views("thinker.");
  const float visual[3] = {1, 2, 3};
  prefixed.push_back({"thinker.visual.blocks.0.norm.weight", DType::F32, {3}, std::as_bytes(std::span(visual))});
  const auto model = value_of(Model::load(rewrite(prefixed)));
  roughen(*model);
  ok(model->save(dir_ / "saved"));
  const auto saved = value_of(open_model_tensors(dir_ / "saved"));
  EXPECT_EQ(saved.find("thinker.visual.blocks.0.norm.weight"), nullptr);
  EXPECT_NE(saved.find("thinker.audio_tower.audio_bos_eos_token.weight"), nullptr);
  EXPECT_EQ(saved.find("thinker.lm_head.weight"), nullptr) << "tied";
  EXPECT_EQ(saved.size(), prefixed.size() - 1);
  EXPECT_EQ(pack_weights(*value_of(Model::load(dir_ / "saved"))), pack_weights(*model));
}

TEST_F(ModelFolder, WrongTensorsAreListedByName) {
  auto broken = views();
  std::erase_if(broken, [](const TensorView& view) { return view.name == "model.layers.1.mlp.up_proj.weight"; });
  const float extra[1] = {0};
  broken.push_back({"model.layers.9.bogus", DType::F32, {1}, std::as_bytes(std::span(extra))});
  for (TensorView& view : broken) {
    if (view.name == "model.norm.weight") view.shape = {2, 24};
  }
  EXPECT_THAT(load_error(rewrite(broken)),
              AllOf(HasSubstr("model.layers.1.mlp.up_proj.weight"), HasSubstr("model.layers.9.bogus"),
                    HasSubstr("model.norm.weight"), HasSubstr("24"), HasSubstr("48")));
}

TEST_F(ModelFolder, HeadIsTiedOnlyWhenTheConfigSaysSo) {
  EXPECT_EQ(value_of(Model::load(dir_.path()))->find("lm_head.weight"), nullptr);
  const auto forget = [](nlohmann::json& config) {
    config.erase("tie_word_embeddings");
    config["text_config"].erase("tie_word_embeddings");
  };
  EXPECT_THAT(load_error(rewrite(views(), kDefaultMaxShardBytes, forget)), HasSubstr("lm_head.weight"));
  // A stored head is used, whatever the config says …
  auto with_head = views();
  TensorView head = *tensors_.find("model.embed_tokens.weight");
  std::vector<std::byte> other(head.data.begin(), head.data.end());
  other[3] = std::byte{0x3f};
  head.name = "lm_head.weight";
  head.data = other;
  with_head.push_back(head);
  const auto untied = value_of(Model::load(rewrite(with_head)));
  EXPECT_NE(untied->find("lm_head.weight"), nullptr);
  ok(untied->save(dir_ / "untied"));
  EXPECT_EQ(value_of(ModelConfig::load(dir_ / "untied")).tie_word_embeddings, false);
  // … except a copy of the embedding that the config declares tied.
  with_head.back().data = tensors_.find("model.embed_tokens.weight")->data;
  EXPECT_EQ(value_of(Model::load(rewrite(with_head)))->find("lm_head.weight"), nullptr);
}

TEST_F(ModelFolder, Bf16LoadsAndRuns) {
  const auto model = value_of(load_model(dir_.path(), {.dtype = "bfloat16"}));
  const auto exact = value_of(load_model(dir_.path()));
  const auto batch = sequence(some_ids(12, 2));
  const at::Tensor difference = (model->hidden(batch).to(at::kFloat) - exact->hidden(batch)).abs();
  EXPECT_LT(difference.max().item<float>(), 0.2f);
  EXPECT_EQ(packed_weight_bytes(*model) * 2, packed_weight_bytes(*exact));
  EXPECT_EQ(load_model(dir_.path(), {.dtype = "int4"}).error().code, ErrorCode::kUsage);
}

TEST_F(ModelFolder, UnpackWritesInPlaceOrNothing) {
  const auto model = value_of(Model::load(dir_.path()));
  const void* storage = model->parameters()[0].tensor.data_ptr();
  auto other = Model::random(model->config(), 99);
  auto packed = pack_weights(*other);
  ok(unpack_weights(packed, *model));
  EXPECT_EQ(pack_weights(*model), packed);
  EXPECT_EQ(model->parameters()[0].tensor.data_ptr(), storage);
  packed.pop_back();
  EXPECT_EQ(unpack_weights(packed, *model).error().code, ErrorCode::kInvalidInput);
}

// A group's prompt once, with its audio, and responses as segments that see it.
PackedBatch group_batch(const ModelConfig& config, const LogMel& mel,
                        const std::vector<std::vector<int64_t>>& responses) {
  std::vector<int64_t> prompt = some_ids(5, 3);
  prompt.insert(prompt.end(), num_audio_tokens(mel.num_frames), config.audio_token_id);
  prompt.push_back(17);
  PackedBatch batch = sequence(prompt);
  batch.clips = {&mel};
  const auto prompt_length = static_cast<int64_t>(prompt.size());
  for (const auto& response : responses) {
    const auto begin = static_cast<int64_t>(batch.token_ids.size());
    for (size_t i = 0; i < response.size(); ++i) {
      batch.token_ids.push_back(response[i]);
      batch.positions.push_back(prompt_length + static_cast<int64_t>(i));
    }
    batch.segments.push_back({.begin = begin,
                              .end = static_cast<int64_t>(batch.token_ids.size()),
                              .prefix_begin = 0,
                              .prefix_end = prompt_length});
  }
  return batch;
}

PackedBatch unshared(const PackedBatch& group, size_t response) {
  const auto& prompt = group.segments[0];
  const auto& own = group.segments[response + 1];
  std::vector<int64_t> ids(group.token_ids.begin(), group.token_ids.begin() + prompt.end);
  ids.insert(ids.end(), group.token_ids.begin() + own.begin, group.token_ids.begin() + own.end);
  PackedBatch batch = sequence(ids);
  batch.clips = group.clips;
  return batch;
}

// Same bits in float32 and in bfloat16: what the learner packs, and what `score` runs.
TEST(SharedPrefix, RowsHaveTheBitsOfSeparateSequences) {
  const auto exact = tiny_model(tiny_tokenizer());
  const auto rounded = Model::random(exact->config(), 7, {.dtype = at::kBFloat16});
  for (size_t i = 0; i < exact->parameters().size(); ++i)
    rounded->parameters()[i].tensor.copy_(exact->parameters()[i].tensor);
  const LogMel mel = random_mel(203, 5);
  for (const Model* model : {exact.get(), rounded.get()}) {
    const PackedBatch group = group_batch(model->config(), mel, {some_ids(7, 1), some_ids(1, 2), some_ids(20, 3)});
    const at::Tensor shared = model->hidden(group);
    EXPECT_EQ(shared.scalar_type(), model->dtype());
    for (size_t i = 0; i < 3; ++i) {
      const auto& own = group.segments[i + 1];
      const at::Tensor alone = model->hidden(unshared(group, i));
      EXPECT_TRUE(same_bits(shared.slice(0, own.begin, own.end), alone.slice(0, group.segments[0].end))) << i;
    }
  }
}

TEST(SharedPrefix, GradientsAreThoseOfSeparateSequences) {
  const auto model = tiny_model(tiny_tokenizer());
  for (NamedParameter& parameter : model->parameters()) parameter.tensor.requires_grad_(true);
  const LogMel mel = random_mel(203, 5);
  const PackedBatch group = group_batch(model->config(), mel, {some_ids(7, 1), some_ids(4, 2)});
  const auto take_gradients = [&] {
    std::vector<at::Tensor> gradients;
    for (NamedParameter& parameter : model->parameters()) {
      gradients.push_back(parameter.tensor.grad().clone());
      parameter.tensor.mutable_grad().reset();
    }
    return gradients;
  };
  // Only response rows enter the loss, as in training.
  model->hidden(group).slice(0, group.segments[0].end).square().sum().backward();
  const auto shared = take_gradients();
  for (size_t i = 0; i < 2; ++i)
    model->hidden(unshared(group, i)).slice(0, group.segments[0].end).square().sum().backward();
  const auto separate = take_gradients();
  for (size_t i = 0; i < shared.size(); ++i) {
    const double scale = separate[i].abs().max().item<double>();
    EXPECT_GT(scale, 0) << model->parameters()[i].name;
    EXPECT_LT((shared[i] - separate[i]).abs().max().item<double>(), 1e-4 * scale) << model->parameters()[i].name;
  }
}

TEST(Audio, CachedEmbeddingsReplaceTheTower) {
  const auto model = tiny_model(tiny_tokenizer());
  const LogMel mel = random_mel(77, 6);
  PackedBatch batch = group_batch(model->config(), mel, {some_ids(3, 1)});
  const at::Tensor expected = model->hidden(batch);
  batch.audio_embeddings = model->encode_audio(batch.clips);
  EXPECT_EQ(batch.audio_embeddings.size(0), num_audio_tokens(77));
  batch.clips.clear();
  EXPECT_TRUE(same_bits(model->hidden(batch), expected));
}

TEST(Audio, PlaceholderMismatchAborts) {
  const auto model = tiny_model(tiny_tokenizer());
  const LogMel mel = random_mel(77, 6);
  PackedBatch batch = group_batch(model->config(), mel, {some_ids(3, 1)});
  batch.token_ids[2] = model->config().audio_token_id;
  EXPECT_DEATH(model->hidden(batch), "placeholder");
}

}  // namespace
}  // namespace prosodia
