// Sound files of any kind, decoded and turned into log-mel.
#include <cmath>

#include "data/audio/clip.h"
#include "data/audio/log_mel.h"
#include "tests/fuzz/support.h"

// libsndfile 1.2.0 leaks a small structure when it gives up on a damaged Ogg header. Read by LeakSanitizer builds
// alone.
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis_info_init"; }

namespace prosodia::fuzz {

void fuzz_audio(Input input) {
  const auto clip = decode_audio(input, "fuzz.wav");
  if (!clip) return;
  PROSODIA_CHECK(clip->sample_rate_hz == kSpeechRateHz && !clip->samples.empty());
  for (const float sample : clip->samples) PROSODIA_CHECK(std::isfinite(sample));
  static const LogMelExtractor extractor;
  constexpr size_t kEnough = 2 * kSpeechRateHz;  // the transform does not depend on the format: two seconds will do
  const auto mel = extractor.extract(std::span(clip->samples).first(std::min(clip->samples.size(), kEnough)));
  if (!mel) return;
  for (const float value : mel->values) PROSODIA_CHECK(std::isfinite(value));
}

}  // namespace prosodia::fuzz
