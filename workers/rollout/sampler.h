// One token from one row of logits, by inverse CDF over the allowed tokens. The draw is a pure function of
// (logits, seed, sample, index): the uniform number is philox(key = seed, counter = (sample, index)) with 53 bits.
//
// Order of filters, as in transformers: suppression, temperature, top_k (ties with the k-th are kept), top_p (smallest
// set of most likely tokens that reaches it; ties go to the lower id). The log-prob is that of the unfiltered
// distribution.
//
// Called by Engine. Not thread-safe (scratch memory); no allocation after construction.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workers/model/ops/kernels.h"
#include "workers/rollout/engine.h"

namespace prosodia {

class Sampler {
 public:
  Sampler(const SamplingParams& params, int64_t vocab_size);

  struct Draw {
    int32_t token = 0;
    float logprob = 0;
  };
  Draw draw(std::span<const float> logits_V, uint64_t seed, uint64_t sample, uint64_t index);

 private:
  int32_t most_likely(std::span<const float> logits_V);
  int32_t sample_from(std::span<const float> logits_V, const ops::LogitsStats& stats, double uniform);
  void keep_top_k();
  void keep_top_p();
  int32_t invert_cdf(double uniform);

  const SamplingParams params_;
  const float inverse_temperature_;
  std::vector<float> probs_;        // [V], scratch
  std::vector<float> values_;       // [V], scratch of top_k
  std::vector<int32_t> order_;      // [V], scratch of top_p
  std::vector<double> block_sums_;  // sums of blocks of probs_
};

}  // namespace prosodia
