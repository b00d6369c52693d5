// One GRPO step over one batch of groups: log-probabilities, reference, loss, gradients over all ranks, one optimizer
// update per iteration, metrics with TRL's names, and the digests of the run's hash chain.
//
// Called by the learner loop and by `replay`, on every rank with the same batch. Thread rule: one thread; model
// parameters change only inside step(). Failure rule: typed errors, the same on every rank; after one the trainer must
// not be used. Determinism: the result's bits depend on (weights, optimizer state, batch, options, number of ranks).
//
// Old log-probabilities: on-policy with one iteration they are the current ones (rho = 1, no pass). On-policy with
// several iterations they are those of the first iteration. For groups sampled with an earlier version (lag) they are
// the ones recorded while sampling, which the same forward produced.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "orchestrator/protocol/messages.h"
#include "reward/advantage.h"
#include "workers/learner/checkpoint.h"
#include "workers/learner/collective.h"
#include "workers/learner/grpo_loss.h"
#include "workers/learner/lr_schedule.h"
#include "workers/learner/model_part.h"
#include "workers/learner/optimizer.h"
#include "workers/learner/packing.h"
#include "workers/model/model.h"
#include "workers/model/processor.h"

namespace prosodia {

struct GrpoOptions {
  GrpoLossOptions loss;
  AdvantageOptions advantage;
  LrScheduleOptions schedule;
  AdamWOptions adamw;
  std::vector<ModelPart> freeze;
  double temperature = 1.0;                   // of sampling; the loss sees logits / temperature, as in TRL
  int num_iterations = 1;                     // optimizer updates per batch
  int64_t max_tokens_per_micro_batch = 8192;  // rows of one forward
  std::filesystem::path dataset_dir;          // what relative audio paths in rows are relative to
};

using Metrics = std::vector<std::pair<std::string, double>>;

struct GrpoOutcome {
  uint64_t step = 0;
  uint64_t new_version = 0;
  double loss = 0;       // of the first iteration
  Digest batch;          // echoed from the batch
  Digest weights;        // digest_weights(packed)
  PackedWeights packed;  // the new version, ready to serve; rank 0 only (null elsewhere)
  Metrics metrics;       // the same on every rank, except timings
};

class GrpoTrainer {
 public:
  // `reference` may be null when beta is 0. Everything passed by reference must outlive the trainer.
  static Result<std::unique_ptr<GrpoTrainer>> create(const GrpoOptions& options, Model& policy, const Model* reference,
                                                     const Processor& processor, Collective& collective);
  ~GrpoTrainer();

  Result<GrpoOutcome> step(const protocol::StepBatch& batch);
  AdamW& optimizer();

 private:
  struct Impl;
  explicit GrpoTrainer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace prosodia
