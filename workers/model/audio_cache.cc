#include "workers/model/audio_cache.h"

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

}  // namespace prosodia
