// One micro-batch through a model: log-probabilities of its targets. What SFT, the policy and the reference share.
//
// AudioCache keeps the audio tower's output per clip while the tower and the projector are frozen: then a clip is
// encoded once a run, not once an epoch, an iteration and a model. Keyed by the clip's content.
// Thread rule: one thread. Failure rule: none beyond the model's.
#pragma once

#include <ATen/core/Tensor.h>

#include <list>
#include <map>

#include "data/base/digest.h"
#include "workers/learner/packing.h"
#include "workers/model/model.h"

namespace prosodia {

class AudioCache {
 public:
  explicit AudioCache(size_t max_bytes = size_t{256} << 20) : max_bytes_(max_bytes) {}
  // [N, C] of all clips, without a graph. Every model that asks must have the same frozen tower.
  at::Tensor embeddings(const Model& model, std::span<const LogMel* const> clips);
  size_t hits() const { return hits_; }

 private:
  struct Entry {
    at::Tensor rows;
    std::list<Digest>::iterator age;
  };
  size_t max_bytes_;
  size_t bytes_ = 0, hits_ = 0;
  std::map<Digest, Entry> entries_;
  std::list<Digest> oldest_first_;
};

// The hidden states that predict the targets, [R, C]. `cache`: as below.
at::Tensor target_hidden(const Model& model, const MicroBatch& batch, AudioCache* cache);
// log p and entropy of every target, [R]. `cache` is null while the audio tower or projector trains.
ops::TokenLogProbs micro_batch_logprobs(const Model& model, const MicroBatch& batch, double temperature,
                                        bool want_entropy, AudioCache* cache);

}  // namespace prosodia
