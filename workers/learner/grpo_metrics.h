// A step's numbers under TRL's names, from per-sequence sums that are the same on every rank.
// Definitions: TRL 1.16 (`_compute_loss`, `_generate`); where a name counts sequences rather than tokens it follows
// importance_sampling_level as TRL does. Called by grpo_step. Pure but for reduce().
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "workers/learner/collective.h"
#include "workers/learner/grpo_batch.h"
#include "workers/learner/grpo_loss.h"
#include "workers/learner/grpo_outcome.h"

namespace prosodia {

// One row per sequence of the batch. A rank fills the rows of its own; the others stay 0, so their sum over ranks is
// exact and does not depend on the number of ranks.
class SequenceTable {
 public:
  explicit SequenceTable(size_t sequences) : rows_(sequences) {}
  struct Row {
    SequenceStats loss;     // sums over the iterations
    double entropy = 0;     // first iteration: sum over tokens
    double difference = 0;  // first iteration: sum of |log p now - log p recorded while sampling|
    double max_difference = 0;
  };
  Row& operator[](size_t sequence) { return rows_[sequence]; }
  const std::vector<Row>& rows() const { return rows_; }
  void add_loss(size_t sequence, const SequenceStats& stats);
  Status reduce(Collective& collective);

 private:
  std::vector<Row> rows_;
};

double batch_loss(const SequenceTable& table, int num_iterations);  // summed in sequence order
Metrics loss_metrics(const GrpoLossOptions& options, const SequenceTable& table, int num_iterations);
Metrics completion_metrics(const GrpoSequences& sequences);

}  // namespace prosodia
