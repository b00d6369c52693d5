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
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "data/trace/trace_writer.h"
#include "orchestrator/protocol/messages.h"
#include "workers/learner/collective.h"
#include "workers/learner/grpo_options.h"
#include "workers/learner/grpo_outcome.h"
#include "workers/learner/optimizer.h"
#include "workers/model/model.h"
#include "workers/model/policy_weights.h"
#include "workers/model/processor.h"

namespace prosodia {

class GrpoTrainer {
 public:
  // `reference` may be null when beta is 0. Everything passed by reference must outlive the trainer.
  static Result<std::unique_ptr<GrpoTrainer>> create(const GrpoOptions& options, Model& policy, const Model* reference,
                                                     const Processor& processor, Collective& collective);
  ~GrpoTrainer();

  Result<GrpoOutcome> step(const protocol::StepBatch& batch);
  AdamW& optimizer();
  size_t audio_cache_hits() const;       // clips that were not encoded again; 0 while the audio parts train
  const PolicyWeights& weights() const;  // what trains, and its bytes
  // Called after every micro-batch, on this rank's thread: the sign of life that renews the coordinator's lease.
  void on_progress(std::function<void()> callback);
  void trace_to(TraceWriter* trace);  // the step's phases; null = nowhere. Outlives the trainer
  // Prompt and response tokens seen since the run began (TRL's num_tokens): saved with checkpoints, set on resume.
  int64_t num_tokens() const;
  void set_num_tokens(int64_t tokens);

 private:
  struct Impl;
  explicit GrpoTrainer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace prosodia
