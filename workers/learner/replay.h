// The learner's updates over archived batches, without a coordinator or workers: what `prosodia replay` runs.
//
// Every rank calls replay_steps; rank 0 alone calls the hooks, reads the archive and compares. With the options, the
// initial weights and the number of ranks of the run that made the archive, every step gives the run's bits.
// Thread rule: occupies its thread. Failure rule: the same error on every rank; kInterrupted when stop_requested, after
// a checkpoint. Resumable: with LearnerOptions::checkpoint_dir set, it goes on from the newest checkpoint there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "data/base/status.h"
#include "orchestrator/protocol/messages.h"
#include "workers/learner/collective.h"
#include "workers/learner/grpo_outcome.h"
#include "workers/learner/learner.h"
#include "workers/model/weights.h"

namespace prosodia {

struct ReplayOptions {
  // model_dir, reference_dir, grpo, model, processor as in the run. checkpoint_dir, save_steps and save_total_limit are
  // replay's own; an empty checkpoint_dir: none are written. max_steps decides nothing here: the batches do.
  LearnerOptions learner;
  std::filesystem::path start_from;  // a checkpoint of the run to begin at; empty = model_dir, version 0
};

// The weights that replay has reached. Valid during the call.
struct ReplayPosition {
  uint64_t version = 0;
  Digest weights;
  const GrpoOutcome* outcome = nullptr;               // of the step before; null for the weights it starts from
  std::function<TensorChecksums()> tensor_checksums;  // reads every weight
};

struct ReplayHooks {
  std::function<Result<std::optional<protocol::StepBatch>>(uint64_t step)> batch_of;  // nothing ends the replay
  std::function<Result<bool>(const ReplayPosition&)> on_version;                      // false ends the replay
  std::function<Status(uint64_t version)> on_saved;                                   // optional
};

// Writes a Hugging Face folder to output_dir at the end, when it is not empty. An interrupted replay writes none.
Result<LearnerReport> replay_steps(const ReplayOptions& options, Collective& collective, const ReplayHooks& hooks,
                                   const std::filesystem::path& output_dir);

}  // namespace prosodia
