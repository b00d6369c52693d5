#include "workers/learner/forward.h"

#include <ATen/ATen.h>

namespace prosodia {
ops::TokenLogProbs micro_batch_logprobs(const Model& model, const MicroBatch& batch, double temperature,
                                        bool want_entropy, AudioCache* cache) {
  const auto longs = [&](const std::vector<int64_t>& values) {
    return at::tensor(values, at::TensorOptions().dtype(at::kLong)).to(model.device());
  };
  at::Tensor hidden;
  if (cache && !batch.batch.clips.empty()) {
    PackedBatch with_audio = batch.batch;
    with_audio.audio_embeddings = cache->embeddings(model, batch.batch.clips);
    hidden = model.hidden(with_audio);
  } else {
    hidden = model.hidden(batch.batch);
  }
  return model.logprobs(hidden.index_select(0, longs(batch.hidden_rows)), longs(batch.targets), temperature,
                        want_entropy);
}

}  // namespace prosodia
