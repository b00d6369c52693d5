#include "workers/learner/forward.h"

#include <ATen/ATen.h>

namespace prosodia {
namespace {

Digest digest_of_clip(const LogMel& clip) {
  return DigestBuilder()
      .add(static_cast<uint64_t>(clip.num_frames))
      .add(std::as_bytes(std::span(clip.values)))
      .finish();
}

}  // namespace

at::Tensor AudioCache::embeddings(const Model& model, std::span<const LogMel* const> clips) {
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> rows;
  for (const LogMel* clip : clips) {
    const Digest key = digest_of_clip(*clip);
    if (const auto found = entries_.find(key); found != entries_.end()) {
      ++hits_;
      rows.push_back(found->second.rows);
      continue;
    }
    const at::Tensor encoded = model.encode_audio(std::span(&clip, 1));
    rows.push_back(encoded);
    bytes_ += encoded.nbytes();
    entries_[key] = {encoded, oldest_first_.insert(oldest_first_.end(), key)};
    while (bytes_ > max_bytes_ && oldest_first_.size() > 1) {
      const auto victim = entries_.find(oldest_first_.front());
      bytes_ -= victim->second.rows.nbytes();
      entries_.erase(victim);
      oldest_first_.pop_front();
    }
  }
  return at::cat(rows);
}

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
