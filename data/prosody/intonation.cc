#include "data/prosody/intonation.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace prosodia {
namespace {

constexpr float kFlatRange = 3.0f;  // semitones
constexpr float kArm = 3.0f;        // smallest rise or fall that counts

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

  const std::vector<float> pivots = zigzag(contour, kArm);
  if (pivots.size() > 3) return "expressive";
  if (pivots.size() == 3) return pivots[1] > pivots[0] ? "rising-falling" : "falling-rising";
  const size_t quarter = contour.size() / 4;
  const float change = mean(contour.last(quarter)) - mean(contour.first(quarter));
  if (std::abs(change) < kArm) return "flat";
  return change > 0 ? "rising" : "falling";
}

}  // namespace prosodia
