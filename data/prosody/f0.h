// Fundamental frequency track by YIN's difference function and a Viterbi path over its minima.
//
// Called by: measure.cc. Thread rule: pure function. Failure rule: a frame without a credible period is unvoiced (0).
//
// Implements: de Cheveigné & Kawahara, "YIN, a fundamental frequency estimator" (JASA 2002), equations 6 and 8, for the
// candidates; the path cost follows Boersma (1993): strength minus octave cost, octave jump and voicing transition
// costs. Two passes: the second narrows the range around the first one's quartiles; then isolated octave errors are
// repaired.
#pragma once

#include <span>
#include <vector>

namespace prosodia {

inline constexpr int kF0RateHz = 8000;    // the tracker's sampling rate
inline constexpr int kF0HopSamples = 80;  // 10 ms
inline constexpr float kF0MinHz = 55.0f, kF0MaxHz = 500.0f;

// `samples`: mono at kF0RateHz. `is_speech`: one flag a frame (frame i is centred on sample i * kF0HopSamples); frames
// that are not speech are unvoiced. Returns Hz for each frame, 0 for unvoiced.
std::vector<float> track_f0(std::span<const float> samples, const std::vector<bool>& is_speech);

}  // namespace prosodia
