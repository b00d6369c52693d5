#include "data/prosody/speech_frames.h"

#include <algorithm>
#include <cmath>

namespace prosodia {
namespace {

constexpr double kBelowPeakDb = 30.0;  // frames further below the loudest one are pauses
constexpr std::ptrdiff_t kBridgeFrames = 15;
constexpr double kHalfWindowSeconds = 0.0125;
constexpr double kFloorPower = 1e-10;  // -100 dBFS: digital silence has no logarithm

// Mean square over 25 ms around each frame without the window's mean, which is no sound; at the clip's own rate so that
// energy keeps its full bandwidth.
std::vector<double> frame_powers(const AudioClip& clip) {
  const double rate = clip.sample_rate_hz;
  const auto total = static_cast<std::ptrdiff_t>(clip.samples.size());
  const auto half = static_cast<std::ptrdiff_t>(kHalfWindowSeconds * rate);
  std::vector<double> sum(clip.samples.size() + 1, 0.0), squares(clip.samples.size() + 1, 0.0);  // until each sample
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    const double sample = clip.samples[i];
    sum[i + 1] = sum[i] + sample;
    squares[i + 1] = squares[i] + sample * sample;
  }
  std::vector<double> powers(static_cast<size_t>(static_cast<double>(total) / rate / kSpeechHopSeconds) + 1);
  for (size_t t = 0; t < powers.size(); ++t) {
    const auto centre = static_cast<std::ptrdiff_t>(std::lround(static_cast<double>(t) * kSpeechHopSeconds * rate));
    const auto begin = static_cast<size_t>(std::clamp<std::ptrdiff_t>(centre - half, 0, total));
    const auto end = static_cast<size_t>(std::clamp<std::ptrdiff_t>(centre + half, 0, total));
    if (begin == end) continue;
    const double mean = (sum[end] - sum[begin]) / static_cast<double>(end - begin);
    const double deviation = squares[end] - squares[begin] - mean * mean * static_cast<double>(end - begin);
    powers[t] = std::max(0.0, deviation) / static_cast<double>(2 * half);
  }
  return powers;
}

}  // namespace

SpeechFrames find_speech(const AudioClip& clip) {
  const std::vector<double> powers = frame_powers(clip);
  const double loudest = *std::max_element(powers.begin(), powers.end());
  const double threshold = std::max(loudest * std::pow(10.0, -kBelowPeakDb / 10), std::pow(10.0, kSilenceDbfs / 10));
  SpeechFrames result;
  result.active.assign(powers.size(), false);
  result.speech.assign(powers.size(), false);
  result.dbfs.resize(powers.size());
  double active_sum = 0;
  std::ptrdiff_t last_active = -1;
  for (size_t t = 0; t < powers.size(); ++t) {
    result.dbfs[t] = static_cast<float>(10.0 * std::log10(std::max(powers[t], kFloorPower)));
    if (powers[t] < threshold) continue;
    result.active[t] = result.speech[t] = true;
    active_sum += powers[t];
    ++result.active_count;
    const auto now = static_cast<std::ptrdiff_t>(t);
    if (last_active >= 0 && now - last_active - 1 <= kBridgeFrames) {
      std::fill(result.speech.begin() + last_active, result.speech.begin() + now, true);
    }
    last_active = now;
  }
  result.speech_count = static_cast<int>(std::count(result.speech.begin(), result.speech.end(), true));
  if (result.active_count > 0) {
    result.energy_dbfs = static_cast<float>(10.0 * std::log10(active_sum / result.active_count));
  }
  return result;
}

}  // namespace prosodia
