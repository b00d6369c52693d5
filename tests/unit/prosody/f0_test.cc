#include "data/prosody/f0.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "data/prosody/measure.h"
#include "tests/unit/prosody/signals.h"

namespace prosodia {
namespace {

using namespace testing;

constexpr double kCent = 1.0 / 1200;  // of an octave

ProsodyMeasure measured(const AudioClip& clip) {
  auto measure = measure_prosody(clip, std::nullopt);
  EXPECT_TRUE(measure.has_value()) << (measure ? "" : measure.error().message);
  return measure.value_or(ProsodyMeasure{});
}

double octaves_off(const std::optional<float>& f0_hz, double truth_hz) {
  return f0_hz ? std::abs(std::log2(*f0_hz / truth_hz)) : 99.0;
}

class F0Range : public ::testing::TestWithParam<double> {};

TEST_P(F0Range, HarmonicTone) {
  EXPECT_LT(octaves_off(measured(steady(0.6, GetParam())).f0_median_hz, GetParam()), 10 * kCent);
}
TEST_P(F0Range, PureSine) {
  EXPECT_LT(octaves_off(measured(sine(0.6, GetParam())).f0_median_hz, GetParam()), 10 * kCent);
}
TEST_P(F0Range, PulseTrain) {
  EXPECT_LT(octaves_off(measured(pulses(0.6, GetParam())).f0_median_hz, GetParam()), 20 * kCent);
}

// 390 and 485 Hz lie between lags at 8 kHz, where the double period fits better than the period itself.
INSTANTIATE_TEST_SUITE_P(Hz, F0Range,
                         ::testing::Values(60.0, 75.0, 97.0, 118.0, 153.0, 205.0, 245.0, 318.0, 390.0, 485.0));

TEST(F0, FollowsTheFundamentalNotTheEnvelope) {
  for (double beat_hz : {4.0, 10.0, 25.0}) {
    const AudioClip clip = voiced(
        0.8, [](double) { return 200.0; },
        [beat_hz](double t) { return 0.06 * (1.2 + std::sin(2 * std::numbers::pi * beat_hz * t)); });
    const ProsodyMeasure measure = measured(clip);
    EXPECT_LT(octaves_off(measure.f0_median_hz, 200.0), 10 * kCent) << beat_hz;
    EXPECT_LT(*measure.f0_range_semitones, 0.5f) << beat_hz;
  }
}

TEST(F0, MissingFundamentalIsHeard) {
  const AudioClip clip = voiced(
      0.6, [](double) { return 110.0; }, [](double) { return 0.2; }, /*first_harmonic=*/2);
  EXPECT_LT(octaves_off(measured(clip).f0_median_hz, 110.0), 10 * kCent);
}

TEST(F0, FollowsAGlide) {
  const AudioClip clip = voiced(1.0, [](double t) { return 100.0 * std::exp2(t); });
  const std::vector<bool> speech(101, true);
  const auto narrow = resample(clip, kF0RateHz);
  ASSERT_TRUE(narrow);
  const std::vector<float> f0_hz = track_f0(narrow->samples, speech);
  for (size_t t = 10; t + 10 < f0_hz.size(); ++t) {
    ASSERT_GT(f0_hz[t], 0) << t;
    EXPECT_LT(std::abs(std::log2(f0_hz[t] / (100.0 * std::exp2(0.01 * static_cast<double>(t))))), 30 * kCent) << t;
  }
}

TEST(F0, SurvivesNoise) {
  AudioClip clip = steady(1.0, 140.0);
  const AudioClip hiss = noise(1.0, 0.03, 3);  // about 8 dB below the tone
  for (size_t i = 0; i < clip.samples.size(); ++i) clip.samples[i] += hiss.samples[i];
  const ProsodyMeasure measure = measured(clip);
  EXPECT_LT(octaves_off(measure.f0_median_hz, 140.0), 20 * kCent);
  EXPECT_GT(*measure.voiced_ratio, 0.9f);
}

TEST(F0, NoiseHasNoPitch) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const ProsodyMeasure measure = measured(noise(1.0, 0.1, seed));
    EXPECT_FALSE(measure.f0_mean_hz) << seed;
    EXPECT_FALSE(measure.voiced_ratio || measure.is_whisper) << seed;  // nor is it a whisper
    ASSERT_EQ(measure.problems.size(), 1u);
    EXPECT_EQ(measure.problems[0].kind, MeasureProblem::kNoSpeech);
  }
}

TEST(F0, ShortNoiseBurstsDoNotBecomePitch) {
  // A 20 ms piece of another pitch in front of the tone, as a breathy onset gives.
  AudioClip clip = steady(0.02, 450.0);
  const AudioClip tone = steady(0.6, 120.0);
  clip.samples.insert(clip.samples.end(), tone.samples.begin(), tone.samples.end());
  EXPECT_LT(*measured(clip).f0_range_semitones, 0.5f);
}

}  // namespace
}  // namespace prosodia
