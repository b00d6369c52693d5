#include "data/store/model_tensors.h"

#include <nlohmann/json.hpp>

#include "data/store/atomic_file.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class ModelTensors : public testing::Test {
 protected:
  ModelTensors() {
    for (int i = 0; i < 5; ++i) {
      data_.emplace_back(10, static_cast<float>(i));
      tensors_.push_back({fmt::format("t{}", i), DType::F32, {2, 5}, std::as_bytes(std::span(data_.back()))});
    }
  }
  Status write(uint64_t max_shard_bytes) {
    return write_model_tensors(posix_file_system(), temp_.path(), tensors_, {{"format", "pt"}}, max_shard_bytes);
  }
  std::vector<std::string> files() {
    std::vector<std::string> names;
    const auto entries = posix_file_system().list_dir(temp_.path()).value();
    for (const auto& entry : entries) names.push_back(entry.name);
    return names;
  }
  void put(std::string_view name, std::string_view text) {
    ASSERT_TRUE(write_file_atomic(posix_file_system(), temp_ / name, text));
  }
  TempDir temp_;
  std::vector<std::vector<float>> data_;
  std::vector<TensorView> tensors_;
};

TEST_F(ModelTensors, OneFileOrShardsAndEitherReplacesTheOther) {
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(write(kDefaultMaxShardBytes));
    EXPECT_THAT(files(), ElementsAre("model.safetensors"));
    EXPECT_EQ(open_model_tensors(temp_.path())->size(), 5u);

    ASSERT_TRUE(write(80));
    EXPECT_THAT(files(), ElementsAre("model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                                     "model-00003-of-00003.safetensors", "model.safetensors.index.json"));
    const auto sharded = open_model_tensors(temp_.path());
    ASSERT_TRUE(sharded) << sharded.error().message;
    EXPECT_THAT(sharded->names(), ElementsAre("t0", "t1", "t2", "t3", "t4"));
    EXPECT_EQ(sharded->files().size(), 3u);
    EXPECT_EQ(sharded->total_bytes(), 200u);
    EXPECT_EQ(sharded->metadata().at("format"), "pt");
    EXPECT_EQ(to_text(sharded->find("t3")->data), to_text(tensors_[3].data));
    const auto index =
        nlohmann::json::parse(posix_file_system().read_text(temp_ / "model.safetensors.index.json").value());
    EXPECT_EQ(index["metadata"]["total_size"], 200);
    EXPECT_EQ(index["weight_map"]["t4"], "model-00003-of-00003.safetensors");
  }
}

TEST_F(ModelTensors, ATensorLargerThanAShardStaysWhole) {
  ASSERT_TRUE(write(1));
  EXPECT_EQ(files().size(), 6u);
  EXPECT_EQ(open_model_tensors(temp_.path())->size(), 5u);
}

TEST_F(ModelTensors, RefusesNamesThatLeaveTheFolder) {
  for (const char* name : {"../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "a\\\\b.safetensors", "..", "",
                           ".x.safetensors", "model.bin"}) {
    put("model.safetensors.index.json", fmt::format(R"({{"weight_map":{{"w":"{}"}}}})", name));
    const auto result = open_model_tensors(temp_.path());
    ASSERT_FALSE(result) << name;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(result.error().message, AllOf(HasSubstr("index.json"), HasSubstr("\"w\" is mapped to")));
  }
  for (const char* text : {"", "[]", "{", "{}", R"({"weight_map":[]})", R"({"weight_map":{"w":1}})"}) {
    put("model.safetensors.index.json", text);
    EXPECT_EQ(open_model_tensors(temp_.path()).error().code, ErrorCode::kInvalidInput) << text;
  }
}

TEST_F(ModelTensors, NamesWhatIsMissing) {
  EXPECT_THAT(open_model_tensors(temp_.path()).error().message, HasSubstr("expected a Hugging Face model folder"));
  ASSERT_TRUE(write(80));
  put("model.safetensors.index.json",
      R"({"weight_map":{"t0":"model-00001-of-00003.safetensors","tX":"model-00001-of-00003.safetensors"}})");
  EXPECT_THAT(open_model_tensors(temp_.path()).error().message,
              AllOf(HasSubstr("\"tX\""), HasSubstr("model-00001-of-00003.safetensors")));
  ASSERT_TRUE(posix_file_system().remove(temp_ / "model-00001-of-00003.safetensors"));
  EXPECT_THAT(open_model_tensors(temp_.path()).error().message,
              HasSubstr("model-00001-of-00003.safetensors: no such file"));
}

TEST_F(ModelTensors, ComparesWithWhatTheConfigExpects) {
  ASSERT_TRUE(write(kDefaultMaxShardBytes));
  const auto model = open_model_tensors(temp_.path()).value();
  std::vector<ExpectedTensor> expected;
  for (const auto& tensor : tensors_) expected.push_back({tensor.name, tensor.shape});
  EXPECT_TRUE(check_tensors(model, expected));
  expected[1].shape = {5, 2};
  expected[2].name = "absent";
  const auto status = check_tensors(model, expected);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, AllOf(HasSubstr("1 missing: absent"), HasSubstr("t1 is [2, 5], expected [5, 2]"),
                                            HasSubstr("1 unexpected: t2")));
  expected[1].shape = {2, 5};
  const std::vector<std::string> ignored = {"abs", "t2"};
  EXPECT_TRUE(check_tensors(model, expected, ignored));
}

}  // namespace
}  // namespace prosodia
