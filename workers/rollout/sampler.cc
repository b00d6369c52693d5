#include "workers/rollout/sampler.h"

#include <algorithm>
#include <limits>

#include "data/base/check.h"
#include "data/base/philox.h"

namespace prosodia {
namespace {

constexpr size_t kBlock = 256;  // tokens summed together
constexpr size_t kLanes = 16;

double uniform53(uint64_t seed, uint64_t sample, uint64_t index) {
  const PhiloxBlock block = philox4x32(seed, sample, index);
  const uint64_t bits = (uint64_t{block[1]} << 32) | block[0];
  return (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;  // open interval, exact
}

// Fixed lanes and order, so that vectorising cannot change the bits.
double block_sum(const float* values, size_t count) {
  float lanes[kLanes] = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += values[i + lane];
  }
  for (size_t lane = 0; i < count; ++i, ++lane) lanes[lane] += values[i];
  double sum = 0;
  for (const float lane : lanes) sum += lane;
  return sum;
}

}  // namespace

Sampler::Sampler(const SamplingParams& params, int64_t vocab_size)
    : params_(params),
      inverse_temperature_(static_cast<float>(1.0 / params.temperature)),
      probs_(vocab_size),
      values_(params.top_k > 0 ? vocab_size : 0),
      order_(params.top_p < 1 ? vocab_size : 0),
      block_sums_((vocab_size + kBlock - 1) / kBlock) {
  PROSODIA_CHECK(params.temperature > 0 && params.top_p > 0 && params.top_p <= 1 && params.top_k >= 0,
                 "temperature {}, top_p {}, top_k {}", params.temperature, params.top_p, params.top_k);
  for (const int32_t id : params.suppressed_ids) {
    PROSODIA_CHECK(id >= 0 && id < vocab_size, "suppressed id {}, vocabulary {}", id, vocab_size);
  }
}

Sampler::Draw Sampler::draw(std::span<const float> logits_V, uint64_t seed, uint64_t sample, uint64_t index) {
  const ops::LogitsStats stats =
      ops::logits_stats(logits_V.data(), static_cast<int64_t>(logits_V.size()), inverse_temperature_);
  const int32_t token =
      params_.greedy ? most_likely(logits_V) : sample_from(logits_V, stats, uniform53(seed, sample, index));
  return {token, ops::token_logprob(logits_V[token], inverse_temperature_, stats)};
}

int32_t Sampler::most_likely(std::span<const float> logits_V) {
  std::ranges::copy(logits_V, probs_.begin());
  for (const int32_t id : params_.suppressed_ids) probs_[id] = -std::numeric_limits<float>::infinity();
  return static_cast<int32_t>(ops::argmax_row(probs_.data(), static_cast<int64_t>(probs_.size())));
}

int32_t Sampler::sample_from(std::span<const float> logits_V, const ops::LogitsStats& stats, double uniform) {
  ops::exp_rows(logits_V.data(), static_cast<int64_t>(logits_V.size()), inverse_temperature_, stats.logsumexp,
                probs_.data());
  for (const int32_t id : params_.suppressed_ids) probs_[id] = 0;
  if (params_.top_k > 0 && static_cast<size_t>(params_.top_k) < probs_.size()) keep_top_k();
  if (params_.top_p < 1) keep_top_p();
  const int32_t token = invert_cdf(uniform);
  // Everything allowed underflowed to 0 (a model that is certain of a suppressed token): take the best allowed one.
  return token >= 0 ? token : most_likely(logits_V);
}

void Sampler::keep_top_k() {
  std::ranges::copy(probs_, values_.begin());
  const auto kth = values_.begin() + (params_.top_k - 1);
  std::nth_element(values_.begin(), kth, values_.end(), std::greater<>());
  for (float& p : probs_) {
    if (p < *kth) p = 0;
  }
}

void Sampler::keep_top_p() {
  double total = 0;
  for (const float p : probs_) total += p;
  // All tokens at or below this floor together hold less than 1 - top_p, so none of them is in the nucleus.
  const double floor = (1.0 - params_.top_p) * total / static_cast<double>(probs_.size());
  size_t count = 0;
  for (size_t id = 0; id < probs_.size(); ++id) {
    if (probs_[id] > floor)
      order_[count++] = static_cast<int32_t>(id);
    else
      probs_[id] = 0;
  }
  const auto more_likely = [&](int32_t a, int32_t b) { return probs_[a] != probs_[b] ? probs_[a] > probs_[b] : a < b; };
  std::sort(order_.begin(), order_.begin() + count, more_likely);
  double covered = 0;
  size_t kept = 0;
  while (kept < count && covered < params_.top_p * total) covered += probs_[order_[kept++]];
  for (size_t i = kept; i < count; ++i) probs_[order_[i]] = 0;
}

// -1 when all probabilities are 0.
int32_t Sampler::invert_cdf(double uniform) {
  double total = 0;
  for (size_t block = 0; block < block_sums_.size(); ++block) {
    const size_t begin = block * kBlock;
    block_sums_[block] = block_sum(probs_.data() + begin, std::min(kBlock, probs_.size() - begin));
    total += block_sums_[block];
  }
  double rest = uniform * total;
  size_t block = 0;
  while (block + 1 < block_sums_.size() && rest >= block_sums_[block]) rest -= block_sums_[block++];
  // Rounding may leave `rest` above the last candidate's share: then that candidate is meant.
  int32_t chosen = -1;
  for (size_t id = block * kBlock; id < std::min(probs_.size(), (block + 1) * kBlock); ++id) {
    if (probs_[id] <= 0) continue;
    chosen = static_cast<int32_t>(id);
    if (rest < probs_[id]) return chosen;
    rest -= probs_[id];
  }
  for (size_t id = block * kBlock; chosen < 0 && id-- > 0;) {
    if (probs_[id] > 0) chosen = static_cast<int32_t>(id);
  }
  return chosen;
}

}  // namespace prosodia
