#include <sys/resource.h>

#include <fstream>

#include "tests/unit/ops/testing.h"

namespace prosodia::ops {
namespace {

struct Size {
  int64_t rows, channels, vocab;
};
const std::vector<Size> kSizes = {{1, 3, 2}, {5, 20, 33}, {70, 64, 320}, {300, 48, 4097}, {9, 17, 9001}};

at::Tensor targets_of(const Size& s) {
  std::vector<int64_t> targets;
  for (int64_t r = 0; r < s.rows; ++r) targets.push_back((r * 7919 + 1) % s.vocab);
  targets.back() = s.vocab - 1;
  return at::tensor(targets);
}
Tensors inputs_of(const Size& s) {
  return {randn({s.rows, s.channels}, 1),
          randn({s.vocab, s.channels}, 2, 2.0 / std::sqrt(static_cast<double>(s.channels)))};
}
at::Tensor reference(const Tensors& in, const at::Tensor& targets, double temperature) {
  return at::log_softmax(at::linear(in[0], in[1]) / temperature, 1).gather(1, targets.unsqueeze(1)).squeeze(1);
}

TEST(TokenLogProbs, MatchesFp64LogSoftmaxAndItsGradients) {
  for (const Size& s : kSizes)
    for (const double temperature : {1.0, 0.7, 1.9}) {
      SCOPED_TRACE(testing::Message() << s.rows << "x" << s.channels << "x" << s.vocab << " T " << temperature);
      const at::Tensor targets = targets_of(s);
      expect_matches(
          [&](const Tensors& in) { return ops::token_logprobs(in[0], in[1], targets, temperature, false).logprobs; },
          [&](const Tensors& in) { return reference(in, targets, temperature); }, inputs_of(s));
    }
}

TEST(TokenLogProbs, EntropyMatchesFp64AndIsOptional) {
  for (const Size& s : kSizes) {
    const Tensors in = inputs_of(s);
    const TokenLogProbs result = ops::token_logprobs(in[0], in[1], targets_of(s), 0.8, true);
    const at::Tensor logs = at::log_softmax(at::linear(in[0].to(at::kDouble), in[1].to(at::kDouble)) / 0.8, 1);
    EXPECT_LE((result.entropy - -(logs.exp() * logs).sum(1)).abs().max().item<double>(), 2e-5);
    EXPECT_FALSE(result.entropy.requires_grad());
    EXPECT_FALSE(ops::token_logprobs(in[0], in[1], targets_of(s), 0.8, false).entropy.defined());
  }
}

TEST(TokenLogProbs, GradientOfOneInputOnly) {
  const Size s{5, 20, 33};
  const at::Tensor targets = targets_of(s);
  const Tensors in = inputs_of(s);
  for (size_t wanted : {0, 1}) {
    Tensors leaves = {in[0].clone(), in[1].clone()};
    leaves[wanted].requires_grad_(true);
    const at::Tensor loss = ops::token_logprobs(leaves[0], leaves[1], targets, 1.0, false).logprobs.sum();
    const at::Tensor grad = torch::autograd::grad({loss}, {leaves[wanted]})[0];
    Tensors exact = {in[0].to(at::kDouble), in[1].to(at::kDouble)};
    exact[wanted] = exact[wanted].clone().requires_grad_(true);
    const at::Tensor expected = torch::autograd::grad({reference(exact, targets, 1.0).sum()}, {exact[wanted]})[0];
    EXPECT_LE(relative_error(grad, expected), 1e-5);
  }
}

TEST(TokenLogProbs, EngineRowsAndSingleRowsHaveTheSameBits) {
  for (const Size& s : kSizes) {
    const Tensors in = inputs_of(s);
    const at::Tensor targets = targets_of(s);
    const double temperature = 0.7;
    const TokenLogProbs all = ops::token_logprobs(in[0], in[1], targets, temperature, true);
    const PackedLinear head = pack_linear(in[1]);
    at::Tensor logits = at::empty({s.rows, s.vocab});
    head.forward(in[0].const_data_ptr<float>(), s.rows, logits.mutable_data_ptr<float>());
    const float inverse = static_cast<float>(1.0 / temperature);
    for (int64_t r = 0; r < s.rows; ++r) {
      const float* row = logits.const_data_ptr<float>() + r * s.vocab;
      const LogitsStats stats = logits_stats(row, s.vocab, inverse);
      const int64_t target = targets[r].item<int64_t>();
      EXPECT_EQ(token_logprob(row[target], inverse, stats), all.logprobs[r].item<float>());
      EXPECT_EQ(stats.entropy, all.entropy[r].item<float>());
      const at::Tensor alone =
          ops::token_logprobs(in[0].narrow(0, r, 1), in[1], targets.narrow(0, r, 1), temperature, false).logprobs;
      EXPECT_TRUE(same_bits(alone, all.logprobs.narrow(0, r, 1)));
    }
  }
}

TEST(TokenLogProbs, BothInstructionSetsGiveTheSameBits) {
  expect_same_bits_on_both_isas([] {
    Tensors all;
    for (const Size& s : kSizes) {
      const at::Tensor targets = targets_of(s);
      const auto op = [&](const Tensors& in) {
        const TokenLogProbs result = ops::token_logprobs(in[0], in[1], targets, 0.9, true);
        return at::cat({result.logprobs, result.entropy});
      };
      for (at::Tensor& t : output_and_gradients(op, inputs_of(s), at::kFloat)) all.push_back(t);
    }
    return all;
  });
}

// 8,300 x 4,097 logits exceed what forward keeps, 4,000 x 4,097 do not: both routes must give the same bits.
TEST(TokenLogProbs, KeptAndRecomputedLogitsAgree) {
  const Size s{4000, 4, 4097}, larger{8300, 4, 4097};
  const Tensors in = inputs_of(larger);
  const at::Tensor targets = targets_of(larger);
  const auto gradient = [&](int64_t rows) {
    const at::Tensor h = in[0].narrow(0, 0, rows).clone().requires_grad_(true);
    const TokenLogProbs result = ops::token_logprobs(h, in[1], targets.narrow(0, 0, rows), 0.9, false);
    const at::Tensor loss = result.logprobs.sum();
    const at::Tensor first = torch::autograd::grad({loss}, {h}, {}, /*retain_graph=*/true)[0];
    EXPECT_TRUE(same_bits(torch::autograd::grad({loss}, {h})[0], first));  // backward leaves what was kept intact
    return first;
  };
  EXPECT_TRUE(same_bits(gradient(larger.rows).narrow(0, 0, s.rows), gradient(s.rows)));
}

// The composite that devices take, in fp64: the formula is right, only bf16 is coarse.
TEST(TokenLogProbs, TheCompositeIsExactInFp64) {
  const Size s{30, 64, 320};
  const at::Tensor targets = targets_of(s);
  const Tensors in = inputs_of(s);
  const auto op = [&](const Tensors& x) { return ops::token_logprobs(x[0], x[1], targets, 0.7, false).logprobs; };
  const auto exact = [&](const Tensors& x) { return reference(x, targets, 0.7); };
  const Tensors a = output_and_gradients(op, in, at::kDouble), b = output_and_gradients(exact, in, at::kDouble);
  for (size_t i = 1; i < a.size(); ++i) EXPECT_LE(relative_error(a[i], b[i]), 1e-5) << i;
}

int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

// [R, V] would take 4096 x 150,000 x 4 B = 2.4 GB; blocks take a few MB.
TEST(TokenLogProbs, LargeVocabularyStaysWithinTheMemoryBound) {
  const int64_t rows = 4096, channels = 8, vocab = 150'000;
  const at::Tensor h = randn({rows, channels}, 1).requires_grad_(true),
                   w = randn({vocab, channels}, 2).requires_grad_(true);
  const at::Tensor targets = targets_of({rows, channels, vocab});
  std::ofstream("/proc/self/clear_refs") << "5";  // resets the peak, where the kernel allows it
  const int64_t before = peak_resident_bytes();
  const TokenLogProbs result = ops::token_logprobs(h, w, targets, 1.0, true);
  const Tensors grads = torch::autograd::grad({result.logprobs.sum()}, {h, w});
  EXPECT_LE(peak_resident_bytes() - before, int64_t{100} << 20);
  EXPECT_TRUE(grads[0].isfinite().all().item<bool>() && grads[1].isfinite().all().item<bool>());
}

TEST(LogitsStats, MaskedAndExtremeRows) {
  std::vector<float> logits(5000, -INFINITY);
  logits[4500] = 3.0f;
  const LogitsStats one = logits_stats(logits.data(), 5000, 1.0f);
  EXPECT_EQ(one.logsumexp, 3.0f);
  EXPECT_EQ(one.entropy, 0.0f);
  logits[2] = 3.0f;
  EXPECT_NEAR(logits_stats(logits.data(), 5000, 1.0f).logsumexp, 3.0 + std::log(2.0), 1e-6);
  EXPECT_NEAR(logits_stats(logits.data(), 5000, 1.0f).entropy, std::log(2.0), 1e-6);
  EXPECT_EQ(argmax_row(logits.data(), 5000), 2);  // first of a tie
  logits[7] = NAN;
  EXPECT_TRUE(std::isnan(logits_stats(logits.data(), 5000, 1.0f).logsumexp));
}

}  // namespace
}  // namespace prosodia::ops
