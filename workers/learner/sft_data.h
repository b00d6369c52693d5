// The data side of SFT: reads the datasets, draws global batches and turns this rank's part into micro-batches. Its
// next() may run on a helper thread while the model trains on the batch before.
// Caller: sft.cc. One thread at a time. Failure rule: kInvalidInput naming the file and line.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/audio_store.h"
#include "data/corpus/dataset.h"
#include "workers/learner/mixture.h"
#include "workers/learner/packing.h"
#include "workers/learner/sft.h"

namespace prosodia {

struct SftStepData {
  std::vector<MicroBatch> micro_batches;  // this rank's
  int64_t kept_tokens = 0;                // targets in them
  int64_t input_tokens = 0;               // rows run
};

class SftData {
 public:
  static Result<std::unique_ptr<SftData>> load(const SftOptions& options, const Processor& processor, AudioStore& audio,
                                               int64_t max_length, int rank, int num_ranks);

  Result<SftStepData> next();
  void skip_steps(int64_t steps) { order_->skip(steps * global_batch_); }

  int64_t num_rows() const;
  int64_t global_batch() const { return global_batch_; }
  std::vector<int64_t> sizes() const;

 private:
  SftData(const SftOptions& options, const Processor& processor, AudioStore& audio)
      : options_(options), processor_(processor), audio_(audio) {}
  Result<int64_t> estimated_tokens(const Sample& sample);
  Result<EncodedPrompt> encode(const MixtureOrder::Draw& draw);

  const SftOptions& options_;
  const Processor& processor_;
  AudioStore& audio_;
  int64_t max_length_ = 0, global_batch_ = 0;
  int rank_ = 0, num_ranks_ = 1;
  std::vector<std::vector<Sample>> datasets_;
  std::unique_ptr<MixtureOrder> order_;
};

}  // namespace prosodia
