#include "data/prosody/measure.h"

#include <algorithm>
#include <cmath>

#include "data/prosody/f0.h"
#include "data/prosody/intonation.h"

namespace prosodia {
namespace {

constexpr double kHopSeconds = static_cast<double>(kF0HopSamples) / kF0RateHz;
constexpr float kSilenceDbfs = -75.0f;       // below this nothing is speech
constexpr float kSpeechBelowPeakDb = 30.0f;  // frames further below the loudest one are pauses
constexpr int kBridgeFrames = 15;            // gaps up to 150 ms are closures inside speech, longer ones pauses
constexpr float kMinSpeechSeconds = 0.1f;
constexpr float kWhisperVoicedRatio = 0.15f;
constexpr float kMinVoicedFrames = 5;

struct SpeechFrames {
  std::vector<bool> active;  // loud enough
  std::vector<bool> speech;  // active, closures bridged
  double active_square = 0;  // mean square over active frames
  int active_count = 0, speech_count = 0;
};

// Frame powers over 25 ms at the tracker's hop, on the original samples so that energy keeps its full bandwidth.
SpeechFrames find_speech(const AudioClip& clip) {
  const double rate = clip.sample_rate_hz;
  const auto total = static_cast<std::ptrdiff_t>(clip.samples.size());
  const auto frames = static_cast<size_t>(static_cast<double>(total) / rate / kHopSeconds) + 1;
  const auto half = static_cast<std::ptrdiff_t>(0.0125 * rate);
  std::vector<double> running(clip.samples.size() + 1, 0.0);
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    running[i + 1] = running[i] + static_cast<double>(clip.samples[i]) * clip.samples[i];
  }
  std::vector<double> power(frames, 0.0);
  double loudest = 0;
  for (size_t t = 0; t < frames; ++t) {
    const auto centre = static_cast<std::ptrdiff_t>(std::lround(static_cast<double>(t) * kHopSeconds * rate));
    const auto begin = std::clamp<std::ptrdiff_t>(centre - half, 0, total);
    const auto end = std::clamp<std::ptrdiff_t>(centre + half, 0, total);
    power[t] = std::max(0.0, running[static_cast<size_t>(end)] - running[static_cast<size_t>(begin)]) /
               static_cast<double>(2 * half);
    loudest = std::max(loudest, power[t]);
  }
  const double threshold =
      std::max(loudest * std::pow(10.0, -kSpeechBelowPeakDb / 10), std::pow(10.0, kSilenceDbfs / 10));
  SpeechFrames result;
  result.active.assign(frames, false);
  result.speech.assign(frames, false);
  std::ptrdiff_t last_active = -1;
  for (size_t t = 0; t < frames; ++t) {
    if (power[t] < threshold) continue;
    result.active[t] = result.speech[t] = true;
    result.active_square += power[t];
    ++result.active_count;
    const auto now = static_cast<std::ptrdiff_t>(t);
    if (last_active >= 0 && now - last_active - 1 <= kBridgeFrames) {
      for (auto gap = last_active + 1; gap < now; ++gap) result.speech[static_cast<size_t>(gap)] = true;
    }
    last_active = now;
  }
  if (result.active_count > 0) result.active_square /= result.active_count;
  result.speech_count = static_cast<int>(std::count(result.speech.begin(), result.speech.end(), true));
  return result;
}

Status check_measurable(const AudioClip& clip) {
  if (clip.samples.empty()) return fail(ErrorCode::kInvalidInput, "the clip has no samples");
  if (clip.sample_rate_hz < kF0RateHz) {
    return fail(ErrorCode::kInvalidInput, "sampling rate {} Hz is too low to measure prosody; at least {} Hz is needed",
                clip.sample_rate_hz, kF0RateHz);
  }
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    if (!std::isfinite(clip.samples[i])) return fail(ErrorCode::kInvalidInput, "sample {} is not finite", i);
  }
  return {};
}

float median(std::vector<float> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void measure_voicing(const std::vector<float>& f0_hz, int active_frames, ProsodyMeasure& measure) {
  std::vector<float> voiced;
  std::copy_if(f0_hz.begin(), f0_hz.end(), std::back_inserter(voiced), [](float f) { return f > 0; });
  measure.voiced_ratio = static_cast<float>(voiced.size()) / static_cast<float>(active_frames);
  measure.is_whisper = *measure.voiced_ratio < kWhisperVoicedRatio;
  if (measure.is_whisper || voiced.size() < kMinVoicedFrames) {
    measure.problems.push_back(
        fmt::format("unvoiced: {} of {} speech frames have a pitch; F0 is undetermined", voiced.size(), active_frames));
    return;
  }
  measure.f0_median_hz = median(voiced);
  std::sort(voiced.begin(), voiced.end());
  const size_t cut = voiced.size() / 20;
  measure.f0_range_semitones = 12.0f * std::log2(voiced[voiced.size() - 1 - cut] / voiced[cut]);
  measure.contour_semitones = semitone_contour(f0_hz, kContourPoints);
  measure.intonation = classify_contour(measure.contour_semitones);
  if (measure.intonation.empty()) {
    measure.problems.push_back(
        fmt::format("only {} ms are voiced; intonation needs {} ms", voiced.size() * 10, kMinContourFrames * 10));
  }
}

}  // namespace

Result<ProsodyMeasure> measure_prosody(const AudioClip& clip, std::optional<std::string_view> transcript) {
  PROSODIA_TRY(check_measurable(clip));
  ProsodyMeasure measure;
  const SpeechFrames frames = find_speech(clip);
  if (frames.active_count == 0) {
    measure.problems.push_back(fmt::format("no speech: nothing is louder than {} dBFS", kSilenceDbfs));
    return measure;
  }
  const auto speech_seconds = static_cast<float>(frames.speech_count * kHopSeconds);
  if (speech_seconds < kMinSpeechSeconds) {
    measure.problems.push_back(
        fmt::format("only {:.2f} s of speech; at least {} s are needed", speech_seconds, kMinSpeechSeconds));
    return measure;
  }
  measure.speech_seconds = speech_seconds;
  measure.energy_dbfs = static_cast<float>(10.0 * std::log10(frames.active_square));
  const auto clipped =
      std::count_if(clip.samples.begin(), clip.samples.end(), [](float s) { return std::abs(s) >= 0.9999f; });
  if (static_cast<double>(clipped) > 0.01 * static_cast<double>(clip.samples.size())) {
    measure.problems.push_back(fmt::format("clipped: {} of {} samples are at full scale; energy is a lower bound",
                                           clipped, clip.samples.size()));
  }
  if (transcript) {
    const int syllables = count_syllables(*transcript);
    if (syllables > 0) {
      measure.syllables_per_second = static_cast<float>(syllables) / speech_seconds;
    } else {
      measure.problems.push_back("the transcript has no words; speed is undetermined");
    }
  }
  PROSODIA_ASSIGN(const AudioClip narrow, resample(clip, kF0RateHz));
  const std::vector<float> f0_hz = track_f0(narrow.samples, frames.active);
  measure_voicing(f0_hz, frames.active_count, measure);
  return measure;
}

}  // namespace prosodia
