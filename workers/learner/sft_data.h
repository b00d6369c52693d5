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

// The rows of a set to learn from or to evaluate on; kInvalidInput naming a row that ends without an answer.
Result<std::vector<Sample>> read_conversations(const std::filesystem::path& path);
// One row as training and evaluation see it; kInvalidInput naming a row of more than max_length tokens.
Result<EncodedPrompt> encode_conversation(const Processor& processor, const Sample& sample, int64_t max_length);

class SftData {
 public:
  // Reads the stage's datasets. Everything passed by reference must outlive the object.
  static Result<std::unique_ptr<SftData>> load(const SftStage& stage, uint64_t seed, const Processor& processor,
                                               AudioStore& audio, int64_t max_length, int rank, int num_ranks);

  Result<SftStepData> next();
  void skip_steps(int64_t steps) { order_->skip(steps * global_batch_); }

  int64_t num_rows() const;
  int64_t global_batch() const { return global_batch_; }
  std::vector<int64_t> sizes() const;

 private:
  SftData(const SftStage& stage, const Processor& processor, AudioStore& audio)
      : stage_(stage), processor_(processor), audio_(audio) {}
  Result<int64_t> estimated_tokens(const Sample& sample);
  Result<EncodedPrompt> encode(const MixtureOrder::Draw& draw);

  const SftStage& stage_;
  const Processor& processor_;
  AudioStore& audio_;
  int64_t max_length_ = 0, global_batch_ = 0;
  int rank_ = 0, num_ranks_ = 1;
  std::vector<std::vector<Sample>> datasets_;
  std::unique_ptr<MixtureOrder> order_;
};

}  // namespace prosodia
