#include "data/prosody/stress.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/prosody/syllables.h"

namespace prosodia {
namespace {

constexpr size_t kMinWords = 3;
// Spreads of unstressed words around their mean, measured on espeak-ng and read speech.
constexpr float kPitchSpread = 2.5f;      // semitones
constexpr float kLevelSpread = 4.0f;      // dB
constexpr float kDurationSpread = 0.45f;  // octaves of seconds a syllable
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

// Differences from the mean of the other words, in spreads; unknown values score 0.
void add_scores(const std::vector<float>& values, float spread, std::vector<float>& sums) {
  double sum = 0;
  int known = 0;
  for (float value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++known;
  }
  if (known < 2) return;
  for (size_t w = 0; w < values.size(); ++w) {
    if (std::isnan(values[w])) continue;
    const double others = (sum - values[w]) / (known - 1);
    sums[w] += static_cast<float>((values[w] - others) / spread);
  }
}

}  // namespace

std::vector<float> word_prominences(const std::vector<Word>& words, std::string_view language,
                                    const ProsodyTracks& tracks) {
  if (words.size() < kMinWords || tracks.f0_hz.empty()) return {};
  const std::vector<float> above = above_declination(tracks.f0_hz);
  std::vector<float> pitch, level, duration;
  bool timed = true;
  for (const Word& word : words) {
    const FrameRange range = frames_of(word, above.size());
    pitch.push_back(high_value(above, range));
    level.push_back(high_value(tracks.frames.dbfs, range));
    const int syllables = std::max(1, count_syllables(word.text, language).value_or(1));
    const float seconds = word.end_seconds - word.start_seconds;
    duration.push_back(seconds > 0 ? std::log2(seconds / static_cast<float>(syllables)) : kUnknown);
    timed = timed && !word.is_estimated;
  }
  std::vector<float> scores(words.size(), 0.0f);
  add_scores(pitch, kPitchSpread, scores);
  add_scores(level, kLevelSpread, scores);
  if (timed) add_scores(duration, kDurationSpread, scores);  // an estimate made from syllables says nothing about them
  for (float& score : scores) score /= timed ? 3.0f : 2.0f;
  return scores;
}

void mark_stress(std::vector<Word>& words, std::string_view language, const ProsodyTracks& tracks,
                 const StressOptions& options) {
  const std::vector<float> prominences = word_prominences(words, language, tracks);
  for (size_t w = 0; w < words.size(); ++w) {
    words[w].stressed = w < prominences.size() && prominences[w] >= options.min_prominence;
  }
}

}  // namespace prosodia
