// The two pieces of a percentile bootstrap (Efron & Tibshirani 1993, ch. 13): resampled indices from Philox, so that a
// replicate is a function of (seed, replicate, size) alone, and the interval. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace prosodia {

// `size` draws with replacement from 0 … size-1, into `indices` (resized).
void resample(uint64_t seed, uint64_t replicate, uint32_t size, std::vector<uint32_t>& indices);

struct Interval {
  double low = 0, high = 0;
};
// The central `confidence` share, by linear interpolation between order statistics (numpy's default). NaN values (a
// replicate in which the metric is undefined) are left out; NaN bounds when nothing is left.
Interval percentile_interval(std::span<const double> values, double confidence);

}  // namespace prosodia
