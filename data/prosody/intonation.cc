#include "data/prosody/intonation.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace prosodia {
namespace {

// Semitones.
constexpr float kFlatRange = 3.0f;
constexpr float kArm = 3.0f;        // smallest rise or fall that counts
constexpr float kWideRange = 9.0f;  // too much movement to be flat, whatever its direction

// A contour of many turns has a shape of its own when a parabola explains this share of its variance
// and the contour stays this near to it (semitones): a swing of two arms away from it is a movement of its own.
constexpr double kShapeShare = 0.7;
constexpr double kShapeReach = 2 * kArm;

float mean(std::span<const float> values) {
  double sum = 0;
  for (float value : values) sum += value;
  return static_cast<float>(sum / static_cast<double>(values.size()));
}

// Extremes of the contour between which it moves by at least `arm`: a zigzag that ignores smaller wiggles. Empty when
// it never moves that far, two points for one rise or fall, three for one turn.
std::vector<float> zigzag(std::span<const float> y, float arm) {
  std::vector<float> pivots;
  float low = y.front(), high = y.front();  // since the last pivot
  enum { kUnknown, kUp, kDown } direction = kUnknown;
  for (float value : y) {
    if (direction != kUp && value - low >= arm) {
      pivots.push_back(low);
      direction = kUp;
      high = value;
    } else if (direction != kDown && high - value >= arm) {
      pivots.push_back(high);
      direction = kDown;
      low = value;
    }
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (direction != kUnknown) pivots.push_back(direction == kUp ? high : low);
  return pivots;
}

float range_of(std::vector<float> values) {  // 5th to 95th percentile
  std::sort(values.begin(), values.end());
  const size_t cut = values.size() / 20;
  return values[values.size() - 1 - cut] - values[cut];
}

struct Parabola {
  double start, turn, end;  // its values at the first point, at the turning point (or the middle) and at the last
  bool turns;               // within the middle three fifths of the contour
  double explained;         // share of the contour's variance, 0..1
  double farthest;          // largest distance of a point from it
};

// Least squares over t = -1..1 by the Legendre polynomials of degree 0 to 2, made orthogonal on the grid.
Parabola fit_parabola(std::span<const float> y) {
  const auto n = static_cast<double>(y.size());
  double sum_y = 0, sum_tt = 0;
  const auto at = [&](size_t i) { return y.size() > 1 ? 2.0 * static_cast<double>(i) / (n - 1) - 1 : 0.0; };
  for (size_t i = 0; i < y.size(); ++i) {
    sum_y += y[i];
    sum_tt += at(i) * at(i);
  }
  const double mean_y = sum_y / n, mean_tt = sum_tt / n;
  double slope = 0, bend = 0, bends = 0, total = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double t = at(i), curve = t * t - mean_tt;
    slope += t * y[i] / sum_tt;
    bend += curve * y[i];
    bends += curve * curve;
    total += (y[i] - mean_y) * (y[i] - mean_y);
  }
  bend /= bends;
  const auto value = [&](double t) { return mean_y + slope * t + bend * (t * t - mean_tt); };
  double farthest = 0;
  for (size_t i = 0; i < y.size(); ++i) farthest = std::max(farthest, std::abs(y[i] - value(at(i))));
  const double vertex = bend != 0 ? -slope / (2 * bend) : 2.0;
  const bool turns = std::abs(vertex) < 0.6;
  return {value(-1),
          value(turns ? vertex : 0.0),
          value(1),
          turns,
          total > 0 ? (slope * slope * sum_tt + bend * bend * bends) / total : 1.0,
          farthest};
}

// What a contour of many turns does on the whole; empty when it does nothing in particular.
std::string_view overall_shape(std::span<const float> contour, float change) {
  const Parabola fit = fit_parabola(contour);
  if (fit.explained < kShapeShare || fit.farthest > kShapeReach) return {};
  const double first = fit.turn - fit.start, second = fit.end - fit.turn;
  if (fit.turns && std::abs(first) >= kArm && std::abs(second) >= kArm) {
    return first > 0 ? "rising-falling" : "falling-rising";
  }
  if (std::abs(change) < kArm) return {};
  return change > 0 ? "rising" : "falling";
}

}  // namespace

std::vector<float> semitone_contour(std::span<const float> f0_hz, int points) {
  std::vector<float> voiced;
  for (float f0 : f0_hz) {
    if (f0 > 0) voiced.push_back(12.0f * std::log2(f0));
  }
  if (static_cast<int>(voiced.size()) < std::max(kMinContourFrames, 1)) return {};
  std::vector<float> sorted = voiced;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
  const float median = sorted[sorted.size() / 2];

  std::vector<float> smooth(voiced.size());  // median of five: isolated errors do not bend the contour
  for (size_t i = 0; i < voiced.size(); ++i) {
    std::array<float, 5> window;
    for (size_t k = 0; k < 5; ++k) {
      const auto at = static_cast<std::ptrdiff_t>(i + k) - 2;
      window[k] = voiced[static_cast<size_t>(
          std::clamp<std::ptrdiff_t>(at, 0, static_cast<std::ptrdiff_t>(voiced.size()) - 1))];
    }
    std::nth_element(window.begin(), window.begin() + 2, window.end());
    smooth[i] = window[2] - median;
  }
  std::vector<float> contour(static_cast<size_t>(points));
  for (size_t p = 0; p < contour.size(); ++p) {
    const size_t begin = p * smooth.size() / contour.size();
    const size_t end = std::max(begin + 1, (p + 1) * smooth.size() / contour.size());
    contour[p] = mean(std::span(smooth).subspan(begin, end - begin));
  }
  return contour;
}

std::string_view classify_contour(std::span<const float> contour) {
  if (contour.size() < 8) return {};
  const float range = range_of({contour.begin(), contour.end()});
  if (range < kFlatRange) return "flat";

  const size_t quarter = contour.size() / 4;
  const float change = mean(contour.last(quarter)) - mean(contour.first(quarter));
  const std::vector<float> pivots = zigzag(contour, kArm);
  if (pivots.size() > 3) {
    const std::string_view shape = overall_shape(contour, change);
    return shape.empty() ? "expressive" : shape;
  }
  if (pivots.size() == 3) return pivots[1] > pivots[0] ? "rising-falling" : "falling-rising";
  if (std::abs(change) < kArm) return range < kWideRange ? "flat" : "expressive";
  return change > 0 ? "rising" : "falling";
}

}  // namespace prosodia
