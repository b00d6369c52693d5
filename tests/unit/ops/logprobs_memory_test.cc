// Log-probabilities of 4,096 response tokens over Qwen's vocabulary: the logits alone would take 2.3 GiB. A process of
// its own, because it reads the peak of resident memory. About 4.4 TFLOP.
#include <fstream>
#include <string>
#include <thread>

#include "tests/unit/ops/testing.h"

namespace prosodia::ops {
namespace {

constexpr int64_t kRows = 4096, kChannels = 896, kVocab = 151'936;

// A line of /proc/self/status, in bytes.
int64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kibibytes = 0;
    if (word == key && status >> kibibytes) return kibibytes * 1024;
  }
  ADD_FAILURE() << "no " << key;
  return 0;
}

TEST(LogProbsMemory, ForwardAndBackwardStayWithinTheBound) {
  at::set_num_threads(static_cast<int>(std::thread::hardware_concurrency()));
  at::Generator generator = at::detail::createCPUGenerator(1);
  const at::Tensor h = at::empty({kRows, kChannels}).normal_(0, 1, generator).requires_grad_(true);
  const at::Tensor w = at::empty({kVocab, kChannels}).normal_(0, 0.03, generator).requires_grad_(true);
  const at::Tensor targets = at::arange(kRows, at::TensorOptions().dtype(at::kLong)) * 37;
  const int64_t before = status_bytes("VmRSS:");
  const TokenLogProbs result = ops::token_logprobs(h, w, targets, 1.0, true);
  const Tensors grads = torch::autograd::grad({result.logprobs.mean()}, {h, w});
  const int64_t gradients = static_cast<int64_t>(grads[0].nbytes() + grads[1].nbytes());
  const int64_t above = status_bytes("VmHWM:") - before - gradients;
  RecordProperty("mib_above_weights_and_gradients", std::to_string(above >> 20));
  std::cout << "peak above weights and gradients: " << (above >> 20) << " MiB\n";
  EXPECT_GE(above, 0);
  EXPECT_LE(above, int64_t{1536} << 20);
  EXPECT_NEAR(result.logprobs.mean().item<double>(), -std::log(static_cast<double>(kVocab)), 1.0);
  // The gradient of a softmax sums to zero over the vocabulary.
  EXPECT_LE(grads[1].sum(0).abs().max().item<double>(), 1e-4);
}

}  // namespace
}  // namespace prosodia::ops
