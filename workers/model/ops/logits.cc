// Vocabulary rows of kernels.h.
#include <algorithm>

#include "data/base/check.h"
#include "workers/model/ops/stats.h"

namespace prosodia::ops {

LogitsStats logits_stats(const float* logits, int64_t vocab, float inverse_temperature) {
  PROSODIA_CHECK(vocab > 0, "vocab {}", vocab);
  RunningStats stats;
  for (int64_t begin = 0; begin < vocab; begin += kVocabChunk)
    stats.add(kernels().chunk_stats(logits + begin, std::min(kVocabChunk, vocab - begin), inverse_temperature));
  return stats.result();
}

void exp_rows(const float* logits, int64_t count, float inverse_temperature, float shift, float* p) {
  kernels().exp_row(logits, count, inverse_temperature, shift, p);
}

int64_t argmax_row(const float* values, int64_t count) { return kernels().argmax(values, count); }

}  // namespace prosodia::ops
