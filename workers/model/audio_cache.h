// AudioCache keeps the audio tower's output per clip where the tower and the projector do not change: then a clip is
// encoded once, not once an epoch, an iteration, a model and a group. Keyed by the clip's content.
//
// Called by the learner (frozen tower) and the reward-model scorer. Thread rule: one thread. Failure rule: none beyond
// the model's.
#pragma once

#include <ATen/core/Tensor.h>

#include <list>
#include <map>

#include "data/base/digest.h"
#include "workers/model/model.h"

namespace prosodia {

class AudioCache {
 public:
  static constexpr size_t kDefaultBytes = size_t{256} << 20;
  explicit AudioCache(size_t max_bytes = kDefaultBytes) : max_bytes_(max_bytes) {}
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

}  // namespace prosodia
