// Audio by reference: "x.wav" (any format and rate libsndfile reads) or "C.h5#utt_id" (an utterance of a corpus).
//
// Called by: model/processor for every sample. Thread rule: thread-safe; corpora are opened once and kept open, decoded
// clips are kept up to a byte limit (least recently used go first) and shared, so a clip stays valid while anyone holds
// it. Two threads that miss on the same reference may both decode it; the result is the same.
// Failure rule: errors name the reference and are not cached, so a repaired file is read at the next call.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "data/audio/clip.h"
#include "data/base/status.h"

namespace prosodia {

struct AudioStoreOptions {
  size_t max_cached_bytes = size_t{256} << 20;  // of decoded samples; 0 keeps nothing
};

class AudioStore {
 public:
  explicit AudioStore(AudioStoreOptions options = {});
  ~AudioStore();
  AudioStore(const AudioStore&) = delete;
  AudioStore& operator=(const AudioStore&) = delete;

  Result<std::shared_ptr<const AudioClip>> load(const std::string& ref);  // mono, 16 kHz

  size_t cached_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace prosodia
