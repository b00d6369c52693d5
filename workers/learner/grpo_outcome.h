// What one GRPO step produced. No torch here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/base/digest.h"
#include "orchestrator/protocol/bulk.h"

namespace prosodia {

using Metrics = std::vector<std::pair<std::string, double>>;
using PackedWeights = std::shared_ptr<const protocol::Snapshot>;  // workers/model/weights.h; immutable

struct GrpoOutcome {
  uint64_t step = 0;
  uint64_t new_version = 0;
  double loss = 0;       // mean over the iterations
  Digest batch;          // echoed from the batch
  Digest weights;        // digest_weights(packed)
  PackedWeights packed;  // the new version, ready to serve; rank 0 only (null elsewhere)
  Metrics metrics;       // the same on every rank, except timings
};

}  // namespace prosodia
