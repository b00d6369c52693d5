// Log-mel spectrogram of a clip, equal to transformers' WhisperFeatureExtractor as Qwen2.5-Omni configures it
// (feature_size 128, chunk_length 300, padding "max_length"), restricted to the clip's valid frames.
//
// Called by the processor of every command. An extractor is immutable: const methods may run on many threads.
// Failure: kInvalidInput for clips that yield no audio token, or hold NaN or infinity.
//
// Formula, for a clip of n samples zero-padded to chunk_length_s · rate:
//   S[t, k] = |sum_j hann[j] · x[160 t - 200 + j] · exp(-2πi jk/400)|²       reflect padding at both ends of the buffer
//   mel     = filters · S;  y = log10(max(mel, 1e-10));  y = max(y, M - 8);  result = (y + 4) / 4
// where M is the maximum of y over the whole padded buffer. Frames from L + 2 on, L = ceil(n / 160), see only padding
// and are -10, so L + 2 frames are computed in place of 30,000 and the first L returned.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

// values[bin * num_frames + frame]: [bins][frames] row-major, float32. One frame is 10 ms.
struct LogMel {
  int num_mel_bins = 0;
  int64_t num_frames = 0;
  std::vector<float> values;
};

struct LogMelOptions {
  int num_mel_bins = 128;        // 80 or 128 in Whisper's models
  int n_fft = 400;               // samples; even
  int hop_length = 160;          // samples
  int chunk_length_s = 300;      // seconds; longer clips are cut here, as the processor of transformers does
  int sampling_rate_hz = 16000;  // Hz
};

// Frames that a clip yields: min(ceil(n / hop_length), chunk_length_s · rate / hop_length).
int64_t num_mel_frames(int64_t num_samples, const LogMelOptions& options = {});

// Audio tokens of Qwen2.5-Omni for a clip of `num_frames` mel frames, 25 a second: conv stride 2, then pairs averaged.
// 0 for fewer than 3 frames: such clips are refused.
int64_t num_audio_tokens(int64_t num_frames);

// Slaney-scale, Slaney-normalised triangles as float32, [bins][n_fft / 2 + 1] row-major: Whisper's filter bank.
std::vector<float> mel_filter_bank(const LogMelOptions& options);

class LogMelExtractor {
 public:
  // Aborts on options that no model has (odd n_fft, non-positive sizes).
  explicit LogMelExtractor(const LogMelOptions& options = {});
  ~LogMelExtractor();
  LogMelExtractor(LogMelExtractor&&) noexcept;
  LogMelExtractor& operator=(LogMelExtractor&&) noexcept;

  // Mono samples at options().sampling_rate_hz, full scale ±1.
  Result<LogMel> extract(std::span<const float> samples) const;
  const LogMelOptions& options() const;

 private:
  struct Plan;
  std::unique_ptr<const Plan> plan_;
};

}  // namespace prosodia
