#include "reward/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/base/philox.h"

namespace prosodia {
namespace {

double quantile(std::span<const double> sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

void resample(uint64_t seed, uint64_t replicate, uint32_t size, std::vector<uint32_t>& indices) {
  indices.resize(size);
  const uint64_t key = mix_seed(seed, replicate);
  for (uint32_t i = 0; i < size; i += 4) {
    const PhiloxBlock block = philox4x32(key, i / 4, 0);
    for (uint32_t j = 0; j < 4 && i + j < size; ++j) {
      indices[i + j] = static_cast<uint32_t>((uint64_t{block[j]} * size) >> 32);
    }
  }
}

Interval percentile_interval(std::span<const double> values, double confidence) {
  std::vector<double> sorted;
  sorted.reserve(values.size());
  std::copy_if(values.begin(), values.end(), std::back_inserter(sorted), [](double v) { return !std::isnan(v); });
  if (sorted.empty()) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  std::sort(sorted.begin(), sorted.end());
  const double tail = (1 - confidence) / 2;
  return {quantile(sorted, tail), quantile(sorted, 1 - tail)};
}

}  // namespace prosodia
