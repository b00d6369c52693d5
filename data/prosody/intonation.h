// The shape of an F0 contour as one of the six intonation levels.
//
// Called by: measure.cc. Thread rule: pure functions. Failure rule: fewer voiced frames than kMinContourFrames give an
// empty contour and no level.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace prosodia {

inline constexpr int kMinContourFrames = 15;  // 150 ms of voiced speech

// F0 over voiced time, gaps closed and duration normalised, in semitones relative to its median: `points` values.
// Invariant to padding, unvoiced gaps, transposition and speed. `f0_hz`: 0 = unvoiced.
std::vector<float> semitone_contour(std::span<const float> f0_hz, int points);

// A level of Attribute::kIntonation. Less than 3 semitones of range are flat. Else the rises and falls of at least 3
// semitones count (smaller wiggles do not): one is rising or falling, when the last quarter also differs from the first
// by 3 (otherwise flat, or expressive with a range of 9 and more); two are rising-falling or falling-rising; more are
// expressive, unless a parabola explains most of the contour and stays within 6 semitones of all of it: then its turning
// point or its direction names the shape. Empty for fewer than 8 points.
std::string_view classify_contour(std::span<const float> contour_semitones);

}  // namespace prosodia
