#include "data/corpus/synth_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "data/base/check.h"
#include "data/base/philox.h"
#include "data/corpus/emotions.h"

namespace prosodia {
namespace {

template <size_t N>
size_t draw(PhiloxStream& stream, const std::array<double, N>& probabilities) {
  double rest = stream.next_unit();
  for (size_t i = 0; i + 1 < N; ++i) {
    if ((rest -= probabilities[i]) < 0) return i;
  }
  return N - 1;
}

double uniform(PhiloxStream& stream, double low, double high) { return low + (high - low) * stream.next_unit(); }

// Normal, cut at two standard deviations: a tail must not turn one level into the next.
double jitter(PhiloxStream& stream, double deviation) {
  return deviation * std::clamp(static_cast<double>(stream.next_normal()), -2.0, 2.0);
}

constexpr uint64_t kStressStream = 0x73747265'7373;  // of a split's seed; utterances have the small numbers

constexpr int kWordsPerMinute[] = {128, 180, 260};       // slow, normal, fast
constexpr double kEnergyDbfs[] = {-38.0, -28.0, -18.0};  // low, normal, high

// Pitch of each unit in semitones around the level, `half` to both sides.
std::vector<double> unit_contour(std::string_view shape, size_t units, double half, bool starts_high) {
  std::vector<double> contour(units, 0.0);
  for (size_t i = 0; i < units; ++i) {
    const double t = units > 1 ? 2.0 * static_cast<double>(i) / static_cast<double>(units - 1) - 1 : 0;  // -1..1
    if (shape == "rising") contour[i] = half * t;
    if (shape == "falling") contour[i] = -half * t;
    if (shape == "rising-falling") contour[i] = half * (1 - 2 * std::abs(t));
    if (shape == "falling-rising") contour[i] = -half * (1 - 2 * std::abs(t));
    if (shape == "expressive") contour[i] = (i % 2 == 0) == starts_high ? half : -half;
  }
  const double mean = std::accumulate(contour.begin(), contour.end(), 0.0) / static_cast<double>(units);
  for (double& value : contour) value -= mean;
  return contour;
}

// The sentence in the pieces that carry one pitch each: words, with "the" joined to its noun, because espeak-ng speaks
// an article and its neighbour as one word and would lose a change between them.
std::vector<std::string> pitch_units(const std::string& sentence) {
  std::istringstream words(sentence);
  std::vector<std::string> units;
  bool joined = false;
  for (std::string word; words >> word; joined = word == "the") {
    if (joined) {
      units.back() += " " + word;
    } else {
      units.push_back(word);
    }
  }
  return units;
}

UtterancePlan plan_one(const EmotionProfile& emotion, PhiloxStream& stream, size_t speaker_count,
                       std::span<const std::string_view> sentences) {
  UtterancePlan plan;
  plan.emotion = emotion.name;
  plan.speaker = stream.next_below(static_cast<uint32_t>(speaker_count));
  plan.sentence = sentences[stream.next_below(static_cast<uint32_t>(sentences.size()))];
  const size_t pitch = draw(stream, emotion.pitch), energy = draw(stream, emotion.energy);
  const size_t speed = draw(stream, emotion.speed), intonation = draw(stream, emotion.intonation);
  const bool whisper = stream.next_unit() < emotion.whisper;
  ProsodyLevels& levels = plan.controlled;
  levels.energy = level_names(Attribute::kEnergy)[energy];
  levels.speed = level_names(Attribute::kSpeed)[speed];
  levels.voice = whisper ? "whisper" : "normal";
  plan.words_per_minute = static_cast<int>(std::lround(kWordsPerMinute[speed] * std::exp(jitter(stream, 0.03))));
  plan.energy_dbfs = kEnergyDbfs[energy] + jitter(stream, 1.2);
  const double half = uniform(stream, 4.0, 5.2);
  const double shift = jitter(stream, 0.4);
  const bool starts_high = stream.next_unit() < 0.5f;
  plan.units = pitch_units(plan.sentence);
  plan.unit_semitones.assign(plan.units.size(), 0.0);
  plan.pitch_range_percent = -100;
  if (whisper) return plan;
  levels.pitch = level_names(Attribute::kPitch)[pitch];
  levels.intonation = level_names(Attribute::kIntonation)[intonation];
  plan.unit_semitones = unit_contour(levels.intonation, plan.units.size(), half, starts_high);
  for (double& value : plan.unit_semitones) value += shift;
  // Some of the voice's own movement within words, where it does not blur the shape.
  plan.pitch_range_percent = levels.intonation == "flat" ? -100 : levels.intonation == "expressive" ? -40 : -70;
  return plan;
}

// From a stream of its own. The rise stays well below the 3 semitones that would make a contour of their own.
void stress_one_word(UtterancePlan& plan, PhiloxStream stream, double share) {
  constexpr double kRiseSemitones = 1.8;
  if (!(stream.next_unit() < share) || plan.units.size() < 2) return;
  const size_t unit = stream.next_below(static_cast<uint32_t>(plan.units.size()));
  plan.stressed_unit = unit;
  const std::string& words = plan.units[unit];
  plan.controlled.stress = words.substr(words.rfind(' ') + 1);
  if (plan.controlled.voice != "whisper") plan.unit_semitones[unit] += kRiseSemitones;
}

}  // namespace

std::vector<UtterancePlan> plan_split(const std::string& split, int count, uint64_t seed, size_t speaker_count,
                                      std::span<const std::string_view> sentences, double stress_share) {
  PROSODIA_CHECK(speaker_count > 0 && !sentences.empty(), "speakers {} sentences {}", speaker_count, sentences.size());
  const uint64_t split_seed = mix_seed(seed, split == "train" ? 0 : 1);
  std::vector<UtterancePlan> plans;
  for (int i = 0; i < count; ++i) {
    PhiloxStream stream(mix_seed(split_seed, static_cast<uint64_t>(i)));
    const auto& emotion = emotion_profiles()[static_cast<size_t>(i) % kEmotionCount];
    UtterancePlan plan = plan_one(emotion, stream, speaker_count, sentences);
    stress_one_word(plan, PhiloxStream(mix_seed(mix_seed(split_seed, kStressStream), static_cast<uint64_t>(i))),
                    stress_share);
    plan.split = split;
    plan.id = fmt::format("{}-{:06}", split, i);
    plans.push_back(std::move(plan));
  }
  return plans;
}

std::string to_ssml(const UtterancePlan& plan) {
  // espeak-ng's pitch parameter is 0..99 around 50 and moves F0 by 0.21 semitones a unit; SSML percentages scale it.
  constexpr double kSemitonesPerPercent = 0.5 * 0.213;
  std::string ssml = fmt::format("<speak><prosody range=\"{:+}%\">", plan.pitch_range_percent);
  for (size_t i = 0; i < plan.units.size(); ++i) {
    const double percent = std::clamp(plan.unit_semitones[i] / kSemitonesPerPercent, -98.0, 98.0);
    // espeak-ng 1.51 obeys rate and volume word by word too: here about 1.3 times as long and 5 dB louder.
    const std::string_view emphasis = plan.stressed_unit == i ? " rate=\"75%\" volume=\"+70%\"" : "";
    ssml += fmt::format("<prosody pitch=\"{:+.0f}%\"{}>{}</prosody> ", percent, emphasis, plan.units[i]);
  }
  return ssml + "</prosody></speak>";
}

}  // namespace prosodia
