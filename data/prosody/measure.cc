#include "data/prosody/measure.h"

#include <algorithm>
#include <cmath>

#include "data/prosody/f0.h"
#include "data/prosody/intonation.h"
#include "data/prosody/syllables.h"

namespace prosodia {
namespace {

constexpr float kMinSpeechSeconds = 0.1f;
constexpr float kWhisperVoicedRatio = 0.15f;
constexpr size_t kMinVoicedFrames = 5;
constexpr double kMaxClippedRatio = 0.01;
// Speech comes in syllables: the middle half of its frames spans 5 dB and more, that of a steady noise less than 1.
constexpr float kSteadyNoiseDb = 2.0f;

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

// Interquartile range of the level over the active frames: a few frames half over the edge of the sound do not count.
float level_range_db(const SpeechFrames& frames) {
  std::vector<float> levels;
  for (size_t t = 0; t < frames.active.size(); ++t) {
    if (frames.active[t]) levels.push_back(frames.dbfs[t]);
  }
  std::sort(levels.begin(), levels.end());
  return levels[levels.size() * 3 / 4] - levels[levels.size() / 4];
}

void note(ProsodyMeasure& measure, MeasureProblem::Kind kind, std::string text) {
  measure.problems.push_back({kind, std::move(text)});
}

void measure_voicing(const std::vector<float>& f0_hz, int active_frames, ProsodyMeasure& measure) {
  std::vector<float> voiced;
  std::copy_if(f0_hz.begin(), f0_hz.end(), std::back_inserter(voiced), [](float f) { return f > 0; });
  measure.voiced_ratio = static_cast<float>(voiced.size()) / static_cast<float>(active_frames);
  measure.is_whisper = *measure.voiced_ratio < kWhisperVoicedRatio;
  if (measure.is_whisper || voiced.size() < kMinVoicedFrames) {
    note(
        measure, MeasureProblem::kUnvoiced,
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
    note(measure, MeasureProblem::kShortVoicing,
         fmt::format("only {} ms are voiced; intonation needs {} ms", voiced.size() * 10, kMinContourFrames * 10));
  }
}

void measure_speed(std::string_view transcript, std::string_view language, ProsodyMeasure& measure) {
  const std::optional<int> syllables = count_syllables(transcript, language);
  const auto undetermined = [&](const std::string& why) {
    note(measure, MeasureProblem::kNoSyllableRule, fmt::format("{}; speed is undetermined", why));
  };
  if (!syllables) {
    undetermined(language.empty() ? "the transcript's language is not known"
                                  : fmt::format("no syllable rule for language \"{}\"", language));
  } else if (transcript.find_first_of("0123456789") != std::string_view::npos) {
    undetermined("the transcript has digits, not spoken words");
  } else if (*syllables == 0) {
    undetermined("the transcript has no words");
  } else {
    measure.syllables_per_second = static_cast<float>(*syllables) / *measure.speech_seconds;
  }
}

}  // namespace

std::string_view problem_name(MeasureProblem::Kind kind) {
  switch (kind) {
    case MeasureProblem::kNoSpeech:
      return "no speech";
    case MeasureProblem::kTooShort:
      return "too short";
    case MeasureProblem::kClipped:
      return "clipped";
    case MeasureProblem::kUnvoiced:
      return "unvoiced";
    case MeasureProblem::kShortVoicing:
      return "too little voicing";
    case MeasureProblem::kNoSyllableRule:
      return "no syllable count";
  }
  return "";
}

bool explains(MeasureProblem::Kind kind, Attribute attribute) {
  switch (kind) {
    case MeasureProblem::kNoSpeech:
    case MeasureProblem::kTooShort:
      return true;
    case MeasureProblem::kClipped:
      return false;
    case MeasureProblem::kUnvoiced:
      return attribute == Attribute::kPitch || attribute == Attribute::kIntonation;
    case MeasureProblem::kShortVoicing:
      return attribute == Attribute::kIntonation;
    case MeasureProblem::kNoSyllableRule:
      return attribute == Attribute::kSpeed;
  }
  return false;
}

Result<ProsodyTracks> track_prosody(const AudioClip& clip) {
  PROSODIA_TRY(check_measurable(clip));
  ProsodyTracks tracks;
  tracks.frames = find_speech(clip);
  if (tracks.frames.active_count == 0) return tracks;
  const auto clipped =
      std::count_if(clip.samples.begin(), clip.samples.end(), [](float s) { return std::abs(s) >= 0.9999f; });
  tracks.clipped_ratio = static_cast<double>(clipped) / static_cast<double>(clip.samples.size());
  PROSODIA_ASSIGN(const AudioClip narrow, resample(clip, kF0RateHz));
  tracks.f0_hz = track_f0(narrow.samples, tracks.frames.active);
  return tracks;
}

ProsodyMeasure measure_tracks(const ProsodyTracks& tracks, std::optional<std::string_view> transcript,
                              std::string_view language) {
  ProsodyMeasure measure;
  const SpeechFrames& frames = tracks.frames;
  if (frames.active_count == 0) {
    note(measure, MeasureProblem::kNoSpeech, fmt::format("no speech: nothing is louder than {} dBFS", kSilenceDbfs));
    return measure;
  }
  const auto speech_seconds = static_cast<float>(frames.speech_count * kSpeechHopSeconds);
  if (speech_seconds < kMinSpeechSeconds) {
    note(measure, MeasureProblem::kTooShort,
         fmt::format("only {:.2f} s of speech; at least {} s are needed", speech_seconds, kMinSpeechSeconds));
    return measure;
  }
  const bool any_voiced = std::any_of(tracks.f0_hz.begin(), tracks.f0_hz.end(), [](float f) { return f > 0; });
  if (const float range = level_range_db(frames); !any_voiced && range < kSteadyNoiseDb) {
    note(measure, MeasureProblem::kNoSpeech,
         fmt::format("no speech: a steady noise without pitch, the middle half of its level spans {:.1f} dB", range));
    return measure;
  }
  measure.speech_seconds = speech_seconds;
  measure.energy_dbfs = frames.energy_dbfs;
  if (tracks.clipped_ratio > kMaxClippedRatio) {
    note(measure, MeasureProblem::kClipped,
         fmt::format("clipped: {:.1f} % of the samples are at full scale; energy is a lower bound",
                     100 * tracks.clipped_ratio));
  }
  if (transcript) measure_speed(*transcript, language, measure);
  measure_voicing(tracks.f0_hz, frames.active_count, measure);
  return measure;
}

Result<ProsodyMeasure> measure_prosody(const AudioClip& clip, std::optional<std::string_view> transcript,
                                       std::string_view language) {
  PROSODIA_ASSIGN(const ProsodyTracks tracks, track_prosody(clip));
  return measure_tracks(tracks, transcript, language);
}

}  // namespace prosodia
