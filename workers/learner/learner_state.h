// What a learner rank holds: policy, reference, processor, trainer; loading, stepping and saving them. Shared by the
// learner loop and replay. Thread rule and failure rule: learner.h.
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "workers/learner/checkpoint.h"
#include "workers/learner/grpo_step.h"
#include "workers/learner/learner.h"
#include "workers/model/model.h"
#include "workers/model/weights.h"

namespace prosodia {

class LearnerState {
 public:
  // `from`: the initial model folder, or a checkpoint of this run.
  static Result<std::unique_ptr<LearnerState>> load(const LearnerOptions& options, Collective& collective,
                                                    const std::filesystem::path& from);

  // kStale unless the batch is for the next step. The same batch bytes on every rank.
  Result<GrpoOutcome> step(const protocol::StepBatch& batch);
  // `policy`: versions to serve again after a resume; rank 0.
  Result<std::filesystem::path> save(CheckpointStore& store, std::map<uint64_t, PackedWeights> policy);
  Status write_model(const std::filesystem::path& dir);

  void trace_to(TraceWriter* trace) { trainer_->trace_to(trace); }
  void on_progress(std::function<void()> callback) { trainer_->on_progress(std::move(callback)); }
  uint64_t version() const { return version_; }
  PackedWeights packed() const { return packed_; }  // of version(); rank 0
  TensorChecksums tensor_checksums() const { return checksum_tensors(*policy_); }
  std::map<uint64_t, PackedWeights>& earlier_versions() { return earlier_; }  // found in the checkpoint; rank 0

 private:
  LearnerState(const LearnerOptions& options, Collective& collective) : options_(options), collective_(collective) {}
  Status open(const std::filesystem::path& from);
  Status open_reference(const PolicyWeights& weights);
  Status restore(const std::filesystem::path& from);

  const LearnerOptions& options_;
  Collective& collective_;
  std::unique_ptr<Processor> processor_;
  std::shared_ptr<Model> policy_, reference_;
  std::unique_ptr<GrpoTrainer> trainer_;
  uint64_t version_ = 0;
  PackedWeights packed_;
  std::map<uint64_t, PackedWeights> earlier_;
};

}  // namespace prosodia
