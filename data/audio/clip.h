// Speech clips: decode any sound file to mono at 16 kHz, resample, write WAV.
//
// Called by the corpus, the datasets and the processor of every command. All functions are pure and thread-safe.
// Failure: kInvalidInput for a file that is missing, not sound, truncated, empty, or holds NaN or infinity; the message
// names the file. kStorage when writing fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

inline constexpr int kSpeechRateHz = 16000;

// Mono. Full scale is ±1; values beyond it are legal (float files, resampler overshoot) and kept.
struct AudioClip {
  std::vector<float> samples;
  int sample_rate_hz = kSpeechRateHz;
  double seconds() const { return static_cast<double>(samples.size()) / sample_rate_hz; }
};

// A refused file would take more memory than any utterance needs: a hostile header or a tiny compressed hour of
// silence. At rates above 37 kHz the limit is 2^27 samples, at 48 kHz 46 minutes.
inline constexpr double kMaxClipSeconds = 3600.0;
inline constexpr int kMaxChannels = 64;

// Every format of libsndfile (WAV, FLAC, OGG, MP3, AIFF, …), any rate and channel count. Channels are averaged first,
// then soxr HQ resamples to 16 kHz: the order and the resampler of librosa.load(sr=16000, mono=True).
Result<AudioClip> read_audio_file(const std::filesystem::path& path);

// The same from memory; `name` stands for the file in messages.
Result<AudioClip> decode_audio(std::span<const std::byte> bytes, std::string_view name);

// soxr HQ. The result has ceil(n · rate_hz / clip rate) samples, as librosa.resample. Equal rates copy.
Result<AudioClip> resample(const AudioClip& clip, int rate_hz);

// 16-bit samples, rounded, clipped to full scale. -1 is -32768, so k / 32768 comes back as k.
std::vector<int16_t> to_pcm16(std::span<const float> samples);

enum class WavEncoding { kPcm16 /* rounded, clipped to full scale */, kFloat32 /* exact */ };

// Writes a mono WAV under a temporary name in the same folder and renames it. Equal clips give equal bytes.
Status write_wav(const std::filesystem::path& path, const AudioClip& clip, WavEncoding encoding = WavEncoding::kPcm16);

}  // namespace prosodia
