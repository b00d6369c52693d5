#include "data/prosody/intonation.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace prosodia {
namespace {

constexpr float kFlatRange = 3.0f;        // semitones
constexpr float kArm = 3.0f;              // smallest rise or fall that counts
constexpr float kExpressiveRange = 4.5f;  // of what a parabola leaves unexplained

float mean(std::span<const float> values) {
  double sum = 0;
  for (float value : values) sum += value;
  return static_cast<float>(sum / static_cast<double>(values.size()));
}

// Least-squares parabola over t in [-1, 1], by orthogonal polynomials on the grid (1, t, t^2 - <t^2>).
struct Parabola {
  double c0, c1, c2, mean_t2;
  double at(double t) const { return c0 + c1 * t + c2 * (t * t - mean_t2); }
};

Parabola fit_parabola(std::span<const float> y) {
  const auto count = static_cast<double>(y.size());
  const auto t_of = [&](size_t i) { return (2.0 * static_cast<double>(i) + 1) / count - 1; };
  Parabola p{};
  for (size_t i = 0; i < y.size(); ++i) p.mean_t2 += t_of(i) * t_of(i) / count;
  double t2 = 0, q2 = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    const double t = t_of(i), q = t * t - p.mean_t2;
    p.c0 += y[i] / count;
    p.c1 += y[i] * t;
    p.c2 += y[i] * q;
    t2 += t * t;
    q2 += q * q;
  }
  p.c1 /= t2;
  p.c2 /= q2;
  return p;
}

float range_of(std::vector<float> values) {  // 5th to 95th percentile
  std::sort(values.begin(), values.end());
  const size_t cut = values.size() / 20;
  return values[values.size() - 1 - cut] - values[cut];
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
  std::vector<float> values(contour.begin(), contour.end());
  if (range_of(values) < kFlatRange) return "flat";

  const Parabola p = fit_parabola(contour);
  const auto count = static_cast<double>(contour.size());
  std::vector<float> residual(contour.size());
  for (size_t i = 0; i < contour.size(); ++i) {
    residual[i] = contour[i] - static_cast<float>(p.at((2.0 * static_cast<double>(i) + 1) / count - 1));
  }
  if (range_of(residual) > kExpressiveRange) return "expressive";

  const double turning = p.c2 != 0 ? -p.c1 / (2 * p.c2) : 2;
  if (std::abs(turning) < 0.7) {
    const double top = p.at(turning);
    const double first = std::abs(top - p.at(-1)), last = std::abs(top - p.at(1));
    if (std::min(first, last) >= kArm * 0.5 && std::max(first, last) >= kArm) {
      return p.c2 < 0 ? "rising-falling" : "falling-rising";
    }
  }
  const size_t quarter = contour.size() / 4;
  const float change = mean(contour.last(quarter)) - mean(contour.first(quarter));
  if (std::abs(change) < kFlatRange) return "flat";
  return change > 0 ? "rising" : "falling";
}

}  // namespace prosodia
