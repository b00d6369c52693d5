#include "data/audio/modify.h"

#include <SoundTouch.h>

#include <algorithm>
#include <cmath>
#include <exception>

namespace prosodia {
namespace {

static_assert(std::is_same_v<soundtouch::SAMPLETYPE, float>, "SoundTouch is built for float samples");

// SoundTouch's own advice for speech: shorter pieces than for music.
constexpr int kSequenceMs = 40, kSeekWindowMs = 15, kOverlapMs = 8;

Status check_input(const AudioClip& clip, const ClipChange& change) {
  if (clip.samples.empty()) return fail(ErrorCode::kInvalidInput, "an empty clip cannot be modified");
  if (!std::all_of(clip.samples.begin(), clip.samples.end(), [](float s) { return std::isfinite(s); })) {
    return fail(ErrorCode::kInvalidInput, "a clip with samples that are not finite cannot be modified");
  }
  const auto in_range = [](double value, double low, double high) { return value >= low && value <= high; };
  if (!in_range(change.pitch_semitones, -12, 12) || !in_range(change.rate_factor, 0.5, 2) ||
      !in_range(change.gain_db, -60, 60)) {
    return fail(ErrorCode::kInvalidInput,
                "pitch by {} semitones, rate by {}, gain by {} dB: expected -12..12, 0.5..2, -60..60",
                change.pitch_semitones, change.rate_factor, change.gain_db);
  }
  return {};
}

double mean_square(const std::vector<float>& samples, size_t count) {
  double sum = 0;
  for (float sample : samples) sum += static_cast<double>(sample) * sample;
  return sum / static_cast<double>(count);
}

// SoundTouch keeps a tail back until more comes, so silence follows the clip, and what comes out beyond the wanted
// length is dropped.
Result<std::vector<float>> stretch(const AudioClip& clip, const ClipChange& change) {
  const auto wanted = static_cast<size_t>(std::lround(static_cast<double>(clip.samples.size()) / change.rate_factor));
  std::vector<float> out;
  try {
    soundtouch::SoundTouch processor;
    processor.setChannels(1);
    processor.setSampleRate(static_cast<unsigned>(clip.sample_rate_hz));
    processor.setSetting(SETTING_SEQUENCE_MS, kSequenceMs);
    processor.setSetting(SETTING_SEEKWINDOW_MS, kSeekWindowMs);
    processor.setSetting(SETTING_OVERLAP_MS, kOverlapMs);
    processor.setTempo(change.rate_factor);
    processor.setPitchSemiTones(change.pitch_semitones);
    processor.putSamples(clip.samples.data(), static_cast<unsigned>(clip.samples.size()));
    processor.flush();
    out.resize(wanted);
    size_t have = 0;
    while (have < wanted) {
      const size_t got = processor.receiveSamples(out.data() + have, static_cast<unsigned>(wanted - have));
      if (got == 0) break;
      have += got;
    }
    if (have == 0) return fail(ErrorCode::kInternal, "SoundTouch returned nothing for {:.3f} s", clip.seconds());
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(have), out.end(), 0.0f);
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, "SoundTouch: {}", error.what());
  }
  return out;
}

}  // namespace

Result<AudioClip> modify(const AudioClip& clip, const ClipChange& change) {
  PROSODIA_TRY(check_input(clip, change));
  AudioClip result{clip.samples, clip.sample_rate_hz};
  if (change.pitch_semitones != 0 || change.rate_factor != 1) {
    PROSODIA_ASSIGN(result.samples, stretch(clip, change));
    const double before = mean_square(clip.samples, clip.samples.size());
    const double after = mean_square(result.samples, result.samples.size());
    if (after > 0) {
      for (float& sample : result.samples) sample *= static_cast<float>(std::sqrt(before / after));
    }
  }
  const auto gain = static_cast<float>(std::pow(10.0, change.gain_db / 20));
  if (change.gain_db != 0) {
    for (float& sample : result.samples) sample *= gain;
  }
  return result;
}

Result<AudioClip> concatenate(std::span<const AudioClip> clips, double gap_seconds) {
  if (clips.empty()) return fail(ErrorCode::kInvalidInput, "no clips to concatenate");
  AudioClip result{{}, clips.front().sample_rate_hz};
  const auto gap = static_cast<size_t>(std::lround(gap_seconds * result.sample_rate_hz));
  for (const AudioClip& clip : clips) {
    if (clip.sample_rate_hz != result.sample_rate_hz || clip.samples.empty()) {
      return fail(ErrorCode::kInvalidInput, "clips to concatenate must have samples and one rate ({} and {} Hz)",
                  result.sample_rate_hz, clip.sample_rate_hz);
    }
    if (!result.samples.empty()) result.samples.insert(result.samples.end(), gap, 0.0f);
    result.samples.insert(result.samples.end(), clip.samples.begin(), clip.samples.end());
  }
  return result;
}

}  // namespace prosodia
