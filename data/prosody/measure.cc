#include "data/prosody/measure.h"

#include <algorithm>
#include <cmath>

#include "data/prosody/f0.h"
#include "data/prosody/intonation.h"
#include "data/prosody/speech_frames.h"

namespace prosodia {
namespace {

constexpr float kMinSpeechSeconds = 0.1f;
constexpr float kWhisperVoicedRatio = 0.15f;
constexpr size_t kMinVoicedFrames = 5;

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
  double log_sum = 0;
  for (float f0 : voiced) log_sum += std::log(f0);
  measure.f0_mean_hz = static_cast<float>(std::exp(log_sum / static_cast<double>(voiced.size())));
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
  const auto speech_seconds = static_cast<float>(frames.speech_count * kSpeechHopSeconds);
  if (speech_seconds < kMinSpeechSeconds) {
    measure.problems.push_back(
        fmt::format("only {:.2f} s of speech; at least {} s are needed", speech_seconds, kMinSpeechSeconds));
    return measure;
  }
  measure.speech_seconds = speech_seconds;
  measure.energy_dbfs = frames.energy_dbfs;
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
