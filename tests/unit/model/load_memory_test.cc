// Loading never doubles a checkpoint: the peak of a process that loads a folder is its weights, one tensor and a fixed
// slack, not file and weights together. Measured on a process of its own, which this program starts again as.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>

#include "data/store/model_tensors.h"
#include "tests/unit/model/tiny_model.h"
#include "workers/model/load.h"
#include "workers/model/model_folder.h"
#include "workers/model/model_parts.h"
#include "workers/model/weights.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using namespace testing_support;

constexpr const char* kProbe = "PROSODIA_LOAD_PROBE";
constexpr int64_t kLargestTensorBytes = int64_t{16000} * 1024 * 4;  // the embedding, as it is held
constexpr int64_t kSlackBytes = 24 << 20;  // code pages of kernels on first use, one piece of a tensor, headers

int64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::strtoll(line.c_str() + key.size() + 1, nullptr, 10) * 1024;
  return -1;
}

// Prints what loading DIR added to this process at its highest, and the bytes of the weights.
int probe(const std::string& dir) {
  at::empty({1 << 20}, at::kBFloat16).to(at::kFloat);  // the library is up
  const int64_t before = status_bytes("VmRSS");
  const auto model = load_model(dir);
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;
  std::printf("%lld %zu\n", static_cast<long long>(status_bytes("VmHWM") - before), packed_weight_bytes(**model));
  return 0;
}

// A plain Qwen2 of 55 M parameters, written piece by piece.
void write_large_folder(const fs::path& dir, DType dtype) {
  const nlohmann::json json = {{"model_type", "qwen2"},      {"hidden_size", 1024},
                               {"intermediate_size", 2816},  {"num_hidden_layers", 3},
                               {"num_attention_heads", 16},  {"num_key_value_heads", 8},
                               {"vocab_size", 16000},        {"max_position_embeddings", 512},
                               {"tie_word_embeddings", true}};
  const ModelConfig config = value_of(ModelConfig::parse(json, "config.json"));
  AudioWeights audio;
  DecoderWeights decoder;
  std::vector<TensorSpec> specs;
  for (const ParameterSpec& spec : parameter_specs(config, /*own_head=*/false, audio, decoder))
    specs.push_back({spec.name, dtype, spec.shape});
  const std::vector<std::byte> piece(1 << 20, std::byte{0x3c});
  const auto produce = [&](const TensorSpec& spec, const ByteSink& sink) -> Status {
    for (uint64_t left = byte_size(spec); left > 0;) {
      const auto size = std::min<uint64_t>(left, piece.size());
      PROSODIA_TRY(sink(std::span(piece).first(size)));
      left -= size;
    }
    return {};
  };
  ok(posix_file_system().create_dirs(dir));
  ok(write_model_tensors(posix_file_system(), dir, specs, produce, {{"format", "pt"}},
                         /*max_shard_bytes=*/100'000'000));
  std::ofstream(dir / "config.json") << json;
}

class LoadMemory : public testing::TestWithParam<DType> {};

TEST_P(LoadMemory, PeakIsTheWeightsOneTensorAndASlack) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory is larger than the model";
#endif
  const TempDir dir;
  write_large_folder(dir / "model", GetParam());
  const std::string command =
      std::string(kProbe) + "='" + (dir / "model").string() + "' '" + fs::read_symlink("/proc/self/exe").string() + "'";
  FILE* pipe = popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  long long grown = 0, weights = 0;
  const int fields = std::fscanf(pipe, "%lld %lld", &grown, &weights);
  ASSERT_EQ(pclose(pipe), 0);
  ASSERT_EQ(fields, 2);
  ASSERT_GT(weights, 200'000'000);
  EXPECT_LT(grown, weights + kLargestTensorBytes + kSlackBytes)
      << "loading added " << grown << " bytes for " << weights << " of weights";
  RecordProperty("peak_over_weights_bytes", std::to_string(grown - weights));
  std::printf("peak %.1f MB for weights of %.1f MB\n", static_cast<double>(grown) / 1e6,
              static_cast<double>(weights) / 1e6);
}

INSTANTIATE_TEST_SUITE_P(Sources, LoadMemory, testing::Values(DType::F32, DType::BF16),
                         [](const auto& info) { return std::string(name(info.param)); });

}  // namespace
}  // namespace prosodia

int main(int argc, char** argv) {
  if (const char* dir = std::getenv(prosodia::kProbe)) return prosodia::probe(dir);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
