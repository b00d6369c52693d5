#include "data/prosody/stress.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "data/base/code_points.h"

namespace prosodia {
namespace {

constexpr size_t kMinWords = 3;
// Standard deviations of unstressed words from the others, and weights, measured on English and German of espeak-ng
// with known word times.
constexpr float kPitchSpread = 1.8f;      // semitones
constexpr float kLevelSpread = 2.2f;      // dB
constexpr float kDurationSpread = 0.55f;  // octaves of seconds a letter
constexpr float kDurationWeight = 0.5f;
constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

struct FrameRange {
  size_t begin, end;
};

FrameRange frames_of(const Word& word, size_t count) {
  const auto frame = [&](float seconds) {
    return std::min(count, static_cast<size_t>(std::lround(std::max(0.0f, seconds) / kSpeechHopSeconds)));
  };
  return {frame(word.start_seconds), frame(word.end_seconds)};
}

// Semitones of every voiced frame above the straight line through all of them; NaN where unvoiced.
std::vector<float> above_declination(const std::vector<float>& f0_hz) {
  std::vector<float> above(f0_hz.size(), kUnknown);
  double n = 0, sum_t = 0, sum_y = 0, sum_tt = 0, sum_ty = 0;
  for (size_t t = 0; t < f0_hz.size(); ++t) {
    if (f0_hz[t] <= 0) continue;
    const double x = static_cast<double>(t), y = 12 * std::log2(f0_hz[t]);
    n += 1;
    sum_t += x;
    sum_y += y;
    sum_tt += x * x;
    sum_ty += x * y;
  }
  if (n < 2) return above;
  const double spread = sum_tt - sum_t * sum_t / n;
  // Only a fall is a property of the utterance; a rise of the line is the stress we look for, or a question.
  const double slope = spread > 0 ? std::min(0.0, (sum_ty - sum_t * sum_y / n) / spread) : 0.0;
  const double offset = (sum_y - slope * sum_t) / n;
  for (size_t t = 0; t < f0_hz.size(); ++t) {
    if (f0_hz[t] > 0) above[t] = static_cast<float>(12 * std::log2(f0_hz[t]) - offset - slope * static_cast<double>(t));
  }
  return above;
}

// The 90th percentile of the known values in the range: a maximum without its outliers. NaN when there are none.
float high_value(const std::vector<float>& values, FrameRange range) {
  std::vector<float> known;
  for (size_t t = range.begin; t < std::min(range.end, values.size()); ++t) {
    if (!std::isnan(values[t])) known.push_back(values[t]);
  }
  if (known.empty()) return kUnknown;
  const auto at = known.begin() + static_cast<std::ptrdiff_t>(known.size() * 9 / 10);
  std::nth_element(known.begin(), at, known.end());
  return *at;
}

// Differences from the median of the known values, in spreads; unknown values score 0. A median, because one word whose
// borders missed its vowel would otherwise raise all others.
void add_scores(const std::vector<float>& values, float spread, float weight, std::vector<float>& sums) {
  std::vector<float> known;
  std::copy_if(values.begin(), values.end(), std::back_inserter(known), [](float value) { return !std::isnan(value); });
  if (known.size() < 2) return;
  const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
  std::nth_element(known.begin(), middle, known.end());
  for (size_t w = 0; w < values.size(); ++w) {
    if (!std::isnan(values[w])) sums[w] += weight * (values[w] - *middle) / spread;
  }
}

}  // namespace

std::vector<float> word_prominences(const std::vector<Word>& words, const ProsodyTracks& tracks) {
  if (words.size() < kMinWords || tracks.f0_hz.empty()) return {};
  const std::vector<float> above = above_declination(tracks.f0_hz);
  std::vector<float> pitch, level, duration;
  bool timed = true;
  for (const Word& word : words) {
    const FrameRange range = frames_of(word, above.size());
    pitch.push_back(high_value(above, range));
    level.push_back(high_value(tracks.frames.dbfs, range));
    const size_t letters = count_code_points(word.text);
    const float seconds = word.end_seconds - word.start_seconds;
    duration.push_back(seconds > 0 ? std::log2(seconds / static_cast<float>(letters + 1)) : kUnknown);
    timed = timed && !word.is_estimated;
  }
  std::vector<float> scores(words.size(), 0.0f);
  add_scores(pitch, kPitchSpread, 1.0f, scores);
  add_scores(level, kLevelSpread, 1.0f, scores);
  // A time estimated from the letters says nothing about them.
  if (timed) add_scores(duration, kDurationSpread, kDurationWeight, scores);
  const float deviation = std::sqrt(2.0f + (timed ? kDurationWeight * kDurationWeight : 0.0f));
  for (float& score : scores) score /= deviation;
  return scores;
}

bool mark_stress(std::vector<Word>& words, const ProsodyTracks& tracks, const StressOptions& options) {
  const std::vector<float> prominences = word_prominences(words, tracks);
  for (size_t w = 0; w < words.size(); ++w) {
    words[w].stressed = w < prominences.size() && prominences[w] >= options.min_prominence;
  }
  return !prominences.empty();
}

}  // namespace prosodia
