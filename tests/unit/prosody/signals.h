// Test signals with a known fundamental.
#pragma once

#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "data/audio/clip.h"
#include "data/base/philox.h"

namespace prosodia::testing {

// Harmonics of f0(t) with amplitudes 1/k up to 3.6 kHz, times envelope(t); 16 kHz.
inline AudioClip voiced(
    double seconds, const std::function<double(double)>& f0_hz,
    const std::function<double(double)>& envelope = [](double) { return 0.1; }, int first_harmonic = 1) {
  AudioClip clip;
  clip.samples.resize(static_cast<size_t>(seconds * kSpeechRateHz));
  double phase = 0;
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    const double t = static_cast<double>(i) / kSpeechRateHz;
    phase += 2 * std::numbers::pi * f0_hz(t) / kSpeechRateHz;
    double value = 0;
    for (int k = first_harmonic; k * f0_hz(t) < 3600; ++k) value += std::sin(k * phase) / k;
    clip.samples[i] = static_cast<float>(envelope(t) * value);
  }
  return clip;
}

inline AudioClip steady(double seconds, double f0_hz) {
  return voiced(seconds, [f0_hz](double) { return f0_hz; });
}

inline AudioClip sine(double seconds, double f0_hz, double amplitude = 0.3) {
  AudioClip clip;
  clip.samples.resize(static_cast<size_t>(seconds * kSpeechRateHz));
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    clip.samples[i] =
        static_cast<float>(amplitude * std::sin(2 * std::numbers::pi * f0_hz * static_cast<double>(i) / kSpeechRateHz));
  }
  return clip;
}

// One click a period, as from a glottis without a vocal tract.
inline AudioClip pulses(double seconds, double f0_hz) {
  AudioClip clip;
  clip.samples.assign(static_cast<size_t>(seconds * kSpeechRateHz), 0.0f);
  for (double at = 0; at < static_cast<double>(clip.samples.size()); at += kSpeechRateHz / f0_hz) {
    clip.samples[static_cast<size_t>(at)] = 0.8f;
  }
  return clip;
}

inline AudioClip noise(double seconds, double amplitude, uint64_t seed) {
  PhiloxStream stream(seed);
  AudioClip clip;
  clip.samples.resize(static_cast<size_t>(seconds * kSpeechRateHz));
  for (float& sample : clip.samples) sample = static_cast<float>(amplitude * stream.next_normal());
  return clip;
}

inline AudioClip padded(const AudioClip& clip, double before_seconds, double after_seconds) {
  AudioClip result = clip;
  result.samples.insert(result.samples.begin(), static_cast<size_t>(before_seconds * clip.sample_rate_hz), 0.0f);
  result.samples.insert(result.samples.end(), static_cast<size_t>(after_seconds * clip.sample_rate_hz), 0.0f);
  return result;
}

inline AudioClip scaled(AudioClip clip, double gain) {
  for (float& sample : clip.samples) sample = static_cast<float>(sample * gain);
  return clip;
}

}  // namespace prosodia::testing
