#include "data/store/model_identity.h"

#include <set>

#include "data/store/atomic_file.h"
#include "data/store/model_tensors.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

class ModelIdentity : public testing::Test {
 protected:
  ModelIdentity() { write(); }
  void write() {
    const std::vector<TensorView> tensors = {{"a", DType::F32, {8192}, std::as_bytes(std::span(large_))},
                                             {"b", DType::F32, {2, 2}, std::as_bytes(std::span(small_))}};
    ASSERT_TRUE(write_model_tensors(posix_file_system(), temp_.path(), tensors, {}));
    ASSERT_TRUE(write_file_atomic(posix_file_system(), temp_ / "config.json", config_));
  }
  Digest whole() { return model_identity(temp_.path()).value(); }
  Digest sampled() { return model_identity(temp_.path(), 0).value(); }

  TempDir temp_;
  std::vector<float> large_ = std::vector<float>(8192, 0.5f), small_ = {1, 2, 3, 4};
  std::string config_ = "{}";
};

TEST_F(ModelIdentity, IsStableAndSeesValuesAndConfig) {
  std::set<Digest> seen = {whole()};
  EXPECT_FALSE(seen.insert(whole()).second);
  large_[4000] += 1;
  write();
  EXPECT_TRUE(seen.insert(whole()).second) << "one value";
  config_ = "{\"a\": 1}";
  write();
  EXPECT_TRUE(seen.insert(whole()).second) << "config.json";
  ASSERT_TRUE(write_file_atomic(posix_file_system(), temp_ / "notes.md", std::string("x")));
  EXPECT_FALSE(seen.insert(whole()).second) << "other files do not matter";
}

TEST_F(ModelIdentity, OfALargeModelSeesBothEndsOfEveryTensor) {
  std::set<Digest> seen = {sampled()};
  large_.front() += 1;
  write();
  EXPECT_TRUE(seen.insert(sampled()).second);
  large_.back() += 1;
  write();
  EXPECT_TRUE(seen.insert(sampled()).second);
  small_[2] += 1;  // small tensors are read whole
  write();
  EXPECT_TRUE(seen.insert(sampled()).second);
}

TEST_F(ModelIdentity, AFolderWithoutWeightsIsRefused) {
  TempDir empty;
  EXPECT_EQ(model_identity(empty.path()).error().code, ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace prosodia
