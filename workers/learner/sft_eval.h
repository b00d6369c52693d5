// Evaluation during SFT: loss and token accuracy over the assistant turns of a set.
//
// Caller: sft.cc, on every rank. Thread rule: as Collective. Failure rule: kInvalidInput naming the row.
// eval_loss is the mean of -log p over all kept tokens of the set (transformers takes the mean of its batches' means,
// which depends on the batch size); mean_token_accuracy is the share of them that are the likeliest token, as TRL's.
// Every row's sums are computed for itself and added up in row order on every rank, so the bits depend neither on the
// number of ranks nor on packing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/dataset.h"
#include "workers/learner/collective.h"
#include "workers/learner/forward.h"

namespace prosodia {

struct SftEvaluation {
  double loss = 0;
  double mean_token_accuracy = 0;
  int64_t num_tokens = 0;
  double seconds = 0;
};

class SftEvalSet {
 public:
  // All files as one set. The arguments must outlive the object. Rows are encoded anew at each evaluation, so memory
  // stays at one micro-batch of at most `max_tokens` (a longer row goes alone).
  static Result<std::unique_ptr<SftEvalSet>> load(const std::vector<std::filesystem::path>& paths,
                                                  const Processor& processor, int64_t max_length, int64_t max_tokens,
                                                  Collective& collective);
  // `cache`: as micro_batch_logprobs. `alive` is called after every micro-batch.
  Result<SftEvaluation> evaluate(
      const Model& model, AudioCache* cache, const std::function<void()>& alive = [] {}) const;

 private:
  struct RowSums;
  SftEvalSet(const Processor& processor, int64_t max_length, int64_t max_tokens, Collective& collective)
      : processor_(processor), max_length_(max_length), max_tokens_(max_tokens), collective_(collective) {}
  Status run_my_rows(const Model& model, AudioCache* cache, const std::function<void()>& alive, RowSums& sums) const;

  const Processor& processor_;
  const int64_t max_length_, max_tokens_;
  Collective& collective_;
  std::vector<Sample> samples_;
};

}  // namespace prosodia
