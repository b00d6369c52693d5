#include "workers/learner/forward.h"

#include <ATen/ATen.h>

namespace prosodia {
namespace {

at::Tensor longs(const std::vector<int64_t>& values, const Model& model) {
  return at::tensor(values, at::TensorOptions().dtype(at::kLong)).to(model.device());
}

}  // namespace

at::Tensor target_hidden(const Model& model, const MicroBatch& batch, AudioCache* cache) {
  at::Tensor hidden;
  if (cache && !batch.batch.clips.empty()) {
    PackedBatch with_audio = batch.batch;
    with_audio.audio_embeddings = cache->embeddings(model, batch.batch.clips);
    hidden = model.hidden(with_audio);
  } else {
    hidden = model.hidden(batch.batch);
  }
  return hidden.index_select(0, longs(batch.hidden_rows, model));
}

ops::TokenLogProbs micro_batch_logprobs(const Model& model, const MicroBatch& batch, double temperature,
                                        bool want_entropy, AudioCache* cache) {
  return model.logprobs(target_hidden(model, batch, cache), longs(batch.targets, model), temperature, want_entropy);
}

}  // namespace prosodia
