// Running softmax statistics over a vocabulary row, in chunks of kVocabChunk columns counted from column 0. One fixed
// order for the engine's whole rows and the learner's chunked rows, so both get the same bits. Internal to ops.
#pragma once

#include <cmath>
#include <limits>

#include "workers/model/ops/isa/table.h"
#include "workers/model/ops/kernels.h"

namespace prosodia::ops {

class RunningStats {
 public:
  void add(const ChunkStats& chunk) {
    if (chunk.sum == 0.0f && chunk.max == -std::numeric_limits<float>::infinity()) return;
    const double top = std::fmax(max_, static_cast<double>(chunk.max));
    rescale(top);
    const double factor = std::exp(chunk.max - top);
    sum_ += factor * chunk.sum;
    weighted_ += factor * (chunk.weighted + (chunk.max - top) * chunk.sum);
  }
  LogitsStats result() const {
    const double log_sum = std::log(sum_);
    return {static_cast<float>(max_), static_cast<float>(max_ + log_sum),
            static_cast<float>(log_sum - weighted_ / sum_)};
  }

 private:
  void rescale(double top) {
    if (sum_ > 0) {
      const double factor = std::exp(max_ - top);
      weighted_ = factor * (weighted_ + (max_ - top) * sum_);
      sum_ *= factor;
    }
    max_ = top;
  }
  double max_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0, weighted_ = 0;  // of e^(z - max), e^(z - max) (z - max)
};

}  // namespace prosodia::ops
