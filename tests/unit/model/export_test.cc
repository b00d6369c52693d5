#include "workers/model/export.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/store/checkpoint_dir.h"
#include "data/store/model_tensors.h"
#include "tests/unit/model/tiny_model.h"
#include "workers/model/base_model.h"
#include "workers/model/load.h"
#include "workers/model/weights.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using namespace testing_support;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

bool same_tensor(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::ranges::equal(a.data, b.data);
}

json read_json(const fs::path& path) { return json::parse(value_of(posix_file_system().read_text(path))); }

// A folder in the full Omni layout, with tensors of a vision tower and a talker, and a checkpoint trained from it.
class Export : public testing::Test {
 protected:
  Export() {
    ok(create_model_dir(tiny_options(), tiny_tokenizer(), dir_ / "thinker"));
    const auto thinker = value_of(open_model_tensors(dir_ / "thinker"));
    std::vector<TensorView> views;
    for (const std::string& name : thinker.names()) {
      views.push_back(*thinker.find(name));
      views.back().name = "thinker." + name;
    }
    views.push_back({"thinker.visual.merger.weight", DType::F32, {2, 2}, std::as_bytes(std::span(visual_))});
    views.push_back({"talker.codec.weight", DType::BF16, {3}, std::as_bytes(std::span(talker_))});
    views.push_back({"token2wav.steps", DType::I64, {}, std::as_bytes(std::span(steps_))});
    ok(copy_model_files(dir_ / "thinker", base()));
    ok(write_model_tensors(posix_file_system(), base(), views, {{"format", "pt"}}, /*max_shard_bytes=*/30'000));
    json config = {{"model_type", "qwen2_5_omni"},
                   {"architectures", {"Qwen2_5OmniModel"}},
                   {"torch_dtype", "float32"},
                   {"enable_audio_output", true},
                   {"thinker_config", read_json(dir_ / "thinker" / "config.json")},
                   {"talker_config", {{"anything", {1, 2.5, nullptr}}}}};
    config["thinker_config"]["torch_dtype"] = "float32";
    std::ofstream(base() / "config.json") << config;
  }
  fs::path base() const { return dir_ / "base"; }

  // A model trained from `from`, in a run's checkpoint folder.
  fs::path checkpoint(const fs::path& from, uint64_t step) {
    const auto model = value_of(Model::load(from));
    roughen(*model, step);
    CheckpointStore store(posix_file_system(), dir_ / "checkpoints");
    const auto working = value_of(store.begin(step));
    ok(model->save(working));
    ok(copy_model_files(from, working));
    value_of(store.commit(step, {}));
    return store.path_of(step);
  }
  Error refusal(const fs::path& model, const ExportOptions& options = {}) {
    const auto report = export_model(model, dir_ / "out", options);
    EXPECT_FALSE(report);
    EXPECT_FALSE(fs::exists(dir_ / "out"));
    return report ? Error{} : report.error();
  }

  TempDir dir_;
  std::vector<float> visual_ = {1, 2, 3, 4};
  std::vector<uint16_t> talker_ = {0x3f80, 0x7fc1, 0xffff};  // a NaN with a payload must come through
  std::vector<int64_t> steps_ = {7};
};

TEST_F(Export, WithoutAChangeEveryTensorAndEveryKeyStays) {
  const auto report = value_of(export_model(base(), dir_ / "out", {.max_shard_bytes = 50'000}));
  const auto before = value_of(open_model_tensors(base())), after = value_of(open_model_tensors(dir_ / "out"));
  EXPECT_EQ(after.names(), before.names());
  EXPECT_EQ(report.num_tensors, before.size());
  EXPECT_EQ(report.num_bytes, before.total_bytes());
  EXPECT_GT(after.files().size(), 1u);
  for (const std::string& name : before.names())
    EXPECT_TRUE(same_tensor(*before.find(name), *after.find(name))) << name;
  EXPECT_EQ(read_json(dir_ / "out" / "config.json"), read_json(base() / "config.json"));
  for (const char* file : {"tokenizer.json", "preprocessor_config.json", "generation_config.json"})
    EXPECT_TRUE(fs::exists(dir_ / "out" / file)) << file;
  EXPECT_FALSE(fs::exists(dir_ / "out.partial"));
}

TEST_F(Export, ACheckpointIsCompletedFromItsBase) {
  const fs::path first = checkpoint(base(), 3);
  const fs::path second = checkpoint(first, 5);  // training went on from a checkpoint: still the same base
  EXPECT_EQ(value_of(open_model_tensors(second)).find("talker.codec.weight"), nullptr);
  const auto report = value_of(export_model(second, dir_ / "out"));
  EXPECT_EQ(report.num_from_base, 3u);
  const auto original = value_of(open_model_tensors(base())), out = value_of(open_model_tensors(dir_ / "out"));
  EXPECT_EQ(out.names(), original.names());
  for (const char* name : {"thinker.visual.merger.weight", "talker.codec.weight", "token2wav.steps"})
    EXPECT_TRUE(same_tensor(*original.find(name), *out.find(name))) << name;
  EXPECT_EQ(pack_weights(*value_of(Model::load(dir_ / "out"))), pack_weights(*value_of(Model::load(second))));
  EXPECT_NE(pack_weights(*value_of(Model::load(dir_ / "out"))), pack_weights(*value_of(Model::load(base()))));
  EXPECT_FALSE(fs::exists(dir_ / "out" / "MANIFEST.json"));
  EXPECT_FALSE(fs::exists(dir_ / "out" / kBaseModelFile)) << "complete: it needs no other folder";
}

TEST_F(Export, ABaseThatMovedIsNamedByTheUserAndAnotherOneRefused) {
  const fs::path trained = checkpoint(base(), 3);
  fs::rename(base(), dir_ / "moved");
  const Error gone = refusal(trained);
  EXPECT_EQ(gone.code, ErrorCode::kInvalidInput);
  EXPECT_THAT(gone.message, AllOf(HasSubstr("--base_model"), HasSubstr(base().string())));
  // A folder of the same model whose other tensors differ.
  const auto moved = value_of(open_model_tensors(dir_ / "moved"));
  std::vector<TensorView> fewer;
  for (const std::string& name : moved.names())
    if (name != "token2wav.steps") fewer.push_back(*moved.find(name));
  ok(copy_model_files(dir_ / "moved", dir_ / "other"));
  ok(write_model_tensors(posix_file_system(), dir_ / "other", fewer, {}));
  fs::copy_file(dir_ / "moved" / "config.json", dir_ / "other" / "config.json");
  EXPECT_THAT(refusal(trained, {.base_model = dir_ / "other"}).message,
              HasSubstr("its tensors beside the Thinker are 2"));
  EXPECT_THAT(refusal(trained, {.base_model = dir_ / "thinker"}).message, HasSubstr("another layout"));
  EXPECT_EQ(value_of(export_model(trained, dir_ / "out", {.base_model = dir_ / "moved"})).num_from_base, 3u);
}

TEST_F(Export, ConvertsOnlyTheModelsOwnTensors) {
  value_of(export_model(base(), dir_ / "out", {.dtype = DType::BF16}));
  const auto before = value_of(open_model_tensors(base())), after = value_of(open_model_tensors(dir_ / "out"));
  EXPECT_TRUE(same_tensor(*before.find("thinker.visual.merger.weight"), *after.find("thinker.visual.merger.weight")));
  EXPECT_EQ(after.find("thinker.model.norm.weight")->dtype, DType::BF16);
  EXPECT_EQ(pack_weights(*value_of(load_model(dir_ / "out", {.dtype = "bfloat16"}))),
            pack_weights(*value_of(load_model(base(), {.dtype = "bfloat16"}))));
  json config = read_json(base() / "config.json");
  config["torch_dtype"] = config["thinker_config"]["torch_dtype"] = "bfloat16";
  config["thinker_config"]["dtype"] = read_json(dir_ / "out" / "config.json")["thinker_config"]["dtype"];
  EXPECT_EQ(read_json(dir_ / "out" / "config.json"), config);
}

TEST_F(Export, AnEditSeesFloat32AndChangesWhatItTouches) {
  struct Double final : ExportEdit {
    size_t parameters = 0;
    Status check(std::span<const ExpectedTensor> all) override { return parameters = all.size(), Status(); }
    bool touches(std::string_view name) const override { return name == "model.layers.1.mlp.up_proj.weight"; }
    Status apply(std::string_view, at::Tensor& weight) override {
      EXPECT_EQ(weight.scalar_type(), at::kFloat);
      weight.mul_(2);
      return {};
    }
  } edit;
  EXPECT_EQ(value_of(export_model(base(), dir_ / "out", {.dtype = DType::BF16, .edit = &edit})).num_edited, 1u);
  const auto before = value_of(Model::load(base())), after = value_of(Model::load(dir_ / "out"));
  EXPECT_EQ(edit.parameters, before->parameters().size() + 1) << "audio_bos_eos_token is stored, not read";
  for (const NamedParameter& parameter : before->parameters()) {
    const at::Tensor factor = at::scalar_tensor(edit.touches(parameter.name) ? 2.0f : 1.0f);
    EXPECT_TRUE(at::equal((parameter.tensor * factor).to(at::kBFloat16).to(at::kFloat), *after->find(parameter.name)))
        << parameter.name;
  }
}

TEST_F(Export, RefusesAFolderInTheWayAndADamagedCheckpoint) {
  fs::create_directories(dir_ / "full");
  std::ofstream(dir_ / "full" / "notes.txt") << "mine";
  const auto report = export_model(base(), dir_ / "full");
  EXPECT_EQ(report.error().code, ErrorCode::kUsage);
  const fs::path trained = checkpoint(base(), 3);
  std::fstream(trained / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary)
      .seekp(-1, std::ios::end)
      .put('!');
  EXPECT_EQ(refusal(trained).code, ErrorCode::kCorruption);
}

}  // namespace
}  // namespace prosodia
