// Trained steps as the archive holds them, for tests of what reads it.
#pragma once

#include <vector>

#include "orchestrator/coordinator/archive.h"
#include "tests/unit/protocol/samples.h"

namespace prosodia::testing_support {

// Steps first … first + count - 1. Each hashes to its digest; loss and weights follow from the step.
inline std::vector<ArchivedStep> batches(uint64_t first, size_t count) {
  std::vector<ArchivedStep> out;
  for (size_t i = 0; i < count; ++i) {
    protocol::StepBatch batch = protocol::testing::step_batch();
    batch.replay = false;
    batch.step = StepId(first + i);
    for (size_t g = 0; g < batch.groups.size(); ++g) {
      batch.groups[g].group_id = batch.groups[g].rollout.group_id = batch.groups[g].reward.group_id =
          GroupId((first + i) * 2 + g);
      batch.groups[g].rollout.seconds = batch.groups[g].reward.seconds = 0;  // not archived
      for (auto& score : batch.groups[g].reward.responses) score.detail.clear();
    }
    batch.batch_digest = protocol::digest_of(batch.groups);
    const Digest weights = DigestBuilder().add(batch.step.value).finish();
    out.push_back({std::move(batch), 0.1 * static_cast<double>(first + i), weights});
  }
  return out;
}

}  // namespace prosodia::testing_support
