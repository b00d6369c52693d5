#include "data/prosody/f0.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace prosodia {
namespace {

constexpr int kMinLag = static_cast<int>(kF0RateHz / kF0MaxHz);      // 16
constexpr int kMaxLag = static_cast<int>(kF0RateHz / kF0MinHz) + 1;  // 146
constexpr int kWindow = 256;                                         // 32 ms: 1.8 periods of the lowest F0
constexpr int kLags = 152;  // kMaxLag + 2 neighbours, rounded up to vectors of 8
constexpr int kFrame = kWindow + kLags;
constexpr size_t kMaxCandidates = 8;

// Costs in units of periodicity strength (1 = perfectly periodic), per 10 ms.
constexpr float kVoicingThreshold = 0.50f;
constexpr float kOctaveCost = 0.04f;      // per octave towards lower F0, so that subharmonics lose
constexpr float kOctaveJumpCost = 0.80f;  // per octave of frame-to-frame change
constexpr float kTransitionCost = 0.14f;  // voiced <-> unvoiced

struct Candidate {
  float f0_hz;
  float strength;
};
using Candidates = std::vector<Candidate>;

// d[lag] = sum over the window of (x[j] - x[j + lag])^2. The lag is the inner loop so that the compiler vectorises it
// without reordering a sum.
void difference_function(const float* x, std::array<float, kLags>& d) {
  d.fill(0.0f);
  for (int j = 0; j < kWindow; ++j) {
    const float here = x[j];
    const float* there = x + j;
    for (int lag = 0; lag < kLags; ++lag) {
      const float diff = here - there[lag];
      d[lag] += diff * diff;
    }
  }
}

// Local minima of the cumulative mean normalised difference, by strength.
Candidates find_candidates(const float* frame) {
  std::array<float, kLags> d;
  difference_function(frame, d);
  std::array<float, kLags> normalised;
  normalised[0] = 1.0f;
  double sum = 0;
  for (int lag = 1; lag < kLags; ++lag) {
    sum += d[lag];
    normalised[lag] = sum > 0 ? static_cast<float>(d[lag] * lag / sum) : 1.0f;
  }
  Candidates candidates;
  for (int lag = kMinLag; lag <= kMaxLag; ++lag) {
    const float left = normalised[lag - 1], here = normalised[lag], right = normalised[lag + 1];
    if (!(here < left && here <= right) || here > 0.8f) continue;
    const float curvature = left - 2 * here + right;
    const float shift = curvature > 0 ? std::clamp(0.5f * (left - right) / curvature, -0.5f, 0.5f) : 0.0f;
    const float depth = here - 0.25f * (left - right) * shift;
    const float f0_hz = kF0RateHz / (lag + shift);
    if (f0_hz < kF0MinHz || f0_hz > kF0MaxHz) continue;
    candidates.push_back({f0_hz, 1.0f - std::max(0.0f, depth)});
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.strength > b.strength; });
  if (candidates.size() > kMaxCandidates) candidates.resize(kMaxCandidates);
  return candidates;
}

// States of a frame: 0 = unvoiced, 1 + i = candidate i. Maximises total strength minus costs.
std::vector<float> best_path(const std::vector<Candidates>& frames, float min_hz, float max_hz) {
  const size_t count = frames.size();
  std::vector<std::array<int, kMaxCandidates + 1>> from(count);
  std::array<float, kMaxCandidates + 1> score{}, next{};
  const auto usable = [&](const Candidate& c) { return c.f0_hz >= min_hz && c.f0_hz <= max_hz; };
  for (size_t t = 0; t < count; ++t) {
    for (size_t state = 0; state <= frames[t].size(); ++state) {
      float local = kVoicingThreshold;
      if (state > 0) {
        const Candidate& c = frames[t][state - 1];
        local = usable(c) ? c.strength - kOctaveCost * std::log2(kF0MaxHz / c.f0_hz)
                          : -std::numeric_limits<float>::max() / 4;
      }
      float best = t == 0 ? 0.0f : -std::numeric_limits<float>::max();
      int best_from = 0;
      for (size_t previous = 0; t > 0 && previous <= frames[t - 1].size(); ++previous) {
        float cost = 0;
        if ((state == 0) != (previous == 0)) {
          cost = kTransitionCost;
        } else if (state > 0) {
          cost = kOctaveJumpCost * std::abs(std::log2(frames[t][state - 1].f0_hz / frames[t - 1][previous - 1].f0_hz));
        }
        if (score[previous] - cost > best) {
          best = score[previous] - cost;
          best_from = static_cast<int>(previous);
        }
      }
      next[state] = best + local;
      from[t][state] = best_from;
    }
    score = next;
  }
  std::vector<float> f0_hz(count, 0.0f);
  if (count == 0) return f0_hz;
  size_t state =
      static_cast<size_t>(std::max_element(score.begin(), score.begin() + frames.back().size() + 1) - score.begin());
  for (size_t t = count; t-- > 0;) {
    if (state > 0) f0_hz[t] = frames[t][state - 1].f0_hz;
    state = static_cast<size_t>(from[t][state]);
  }
  return f0_hz;
}

// Without its mean, padded by a frame on both sides, low-passed at about 500 Hz (-3 dB) by two moving averages of five:
// smooth difference functions interpolate well between lags, so that a period of 20.5 samples does not lose to its
// double.
std::vector<float> condition(std::span<const float> samples) {
  double mean = 0;
  for (float sample : samples) mean += sample;
  mean /= static_cast<double>(std::max<size_t>(1, samples.size()));
  std::vector<float> padded(samples.size() + 2 * kFrame, 0.0f);
  for (size_t i = 0; i < samples.size(); ++i) padded[kFrame + i] = samples[i] - static_cast<float>(mean);
  constexpr float kTaps[] = {1, 2, 3, 4, 5, 4, 3, 2, 1};
  std::vector<float> smooth(padded.size(), 0.0f);
  for (size_t i = 4; i + 4 < padded.size(); ++i) {
    float sum = 0;
    for (size_t k = 0; k < 9; ++k) sum += kTaps[k] * padded[i + k - 4];
    smooth[i] = sum / 25.0f;
  }
  return smooth;
}

float quantile(std::vector<float> values, double q) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A run of up to 80 ms that sits an octave from the voiced frames around it moves to the candidate nearest to them.
void repair_octaves(const std::vector<Candidates>& frames, std::vector<float>& f0_hz) {
  constexpr int kNeighbourhood = 20;  // frames on each side
  const std::vector<float> before = f0_hz;
  const int count = static_cast<int>(f0_hz.size());
  for (int t = 0; t < count; ++t) {
    if (before[t] <= 0) continue;
    std::vector<float> around;
    for (int i = std::max(0, t - kNeighbourhood); i < std::min(count, t + kNeighbourhood + 1); ++i) {
      if (before[i] > 0) around.push_back(before[i]);
    }
    const float local = quantile(around, 0.5);
    const float octaves = std::log2(before[t] / local);
    if (std::abs(std::abs(octaves) - 1.0f) > 0.2f) continue;
    for (const Candidate& c : frames[t]) {
      if (std::abs(std::log2(c.f0_hz / local)) < 0.2f) {
        f0_hz[t] = c.f0_hz;
        break;
      }
    }
  }
}

// A voiced piece of less than 40 ms is an onset's noise (a breathy h), not
// a pitch. Pieces end where F0 jumps by more than a quarter octave between frames.
void drop_fragments(std::vector<float>& f0_hz) {
  constexpr size_t kMinFrames = 4;
  for (size_t begin = 0; begin < f0_hz.size();) {
    size_t end = begin + 1;
    if (f0_hz[begin] > 0) {
      while (end < f0_hz.size() && f0_hz[end] > 0 && std::abs(std::log2(f0_hz[end] / f0_hz[end - 1])) < 0.25f) ++end;
      if (end - begin < kMinFrames) std::fill(f0_hz.begin() + begin, f0_hz.begin() + end, 0.0f);
    }
    begin = end;
  }
}

}  // namespace

std::vector<float> track_f0(std::span<const float> samples, const std::vector<bool>& is_speech) {
  const std::vector<float> padded = condition(samples);

  std::vector<Candidates> frames(is_speech.size());
  for (size_t t = 0; t < is_speech.size(); ++t) {
    // The pair (x[j], x[j + lag]) is centred for the middle lag.
    const size_t begin = kFrame + t * kF0HopSamples - (kWindow + kMaxLag / 2) / 2;
    if (!is_speech[t] || begin + kFrame > padded.size()) continue;
    frames[t] = find_candidates(padded.data() + begin);
  }
  std::vector<float> f0_hz = best_path(frames, kF0MinHz, kF0MaxHz);
  std::vector<float> voiced;
  std::copy_if(f0_hz.begin(), f0_hz.end(), std::back_inserter(voiced), [](float f) { return f > 0; });
  if (voiced.size() >= 10) {
    // Second pass: nobody moves further than this from their own quartiles, octave errors do.
    f0_hz = best_path(frames, quantile(voiced, 0.25) / 1.7f, quantile(voiced, 0.75) * 1.8f);
  }
  repair_octaves(frames, f0_hz);
  drop_fragments(f0_hz);
  return f0_hz;
}

}  // namespace prosodia
