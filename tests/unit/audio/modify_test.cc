// What was asked for is what data/prosody measures afterwards, and nothing else has changed.
#include "data/audio/modify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "data/prosody/measure.h"

namespace prosodia {
namespace {

// A vowel-like sound: harmonics of a slowly moving F0 under a syllable rhythm, between silences.
AudioClip speech_like(double f0_hz) {
  constexpr double kSeconds = 1.4, kMargin = 0.1;
  AudioClip clip;
  double phase = 0;
  const auto count = static_cast<int>(kSeconds * kSpeechRateHz);
  for (int i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / kSpeechRateHz;
    phase += 2 * std::numbers::pi * f0_hz * (1 + 0.04 * std::sin(2 * std::numbers::pi * 0.7 * t)) / kSpeechRateHz;
    double sample = 0;
    for (int h = 1; h <= 12; ++h) {
      const double hz = h * f0_hz;
      const double formants = 1 / (1 + std::pow((hz - 550) / 200, 2)) + 0.5 / (1 + std::pow((hz - 1600) / 250, 2));
      sample += (formants + 0.05 / h) * std::sin(h * phase);
    }
    const double syllables = 0.35 + 0.65 * std::pow(std::sin(2 * std::numbers::pi * 2.5 * t), 2);
    const bool inside = t > kMargin && t < kSeconds - kMargin;
    clip.samples.push_back(static_cast<float>(inside ? 0.1 * syllables * sample : 0));
  }
  return clip;
}

ProsodyMeasure measured(const AudioClip& clip) {
  const auto measure = measure_prosody(clip, std::nullopt);
  EXPECT_TRUE(measure) << measure.error().message;
  EXPECT_TRUE(measure->f0_mean_hz && measure->energy_dbfs && measure->speech_seconds);
  return *measure;
}

void expect_changed(double f0_hz, const ClipChange& change) {
  SCOPED_TRACE(
      fmt::format("{} Hz: {} st, rate {}, {} dB", f0_hz, change.pitch_semitones, change.rate_factor, change.gain_db));
  const AudioClip clip = speech_like(f0_hz);
  const auto result = modify(clip, change);
  ASSERT_TRUE(result) << result.error().message;
  const ProsodyMeasure before = measured(clip), after = measured(*result);
  const double f0_ratio = *after.f0_mean_hz / *before.f0_mean_hz / std::exp2(change.pitch_semitones / 12);
  EXPECT_NEAR(f0_ratio, 1, 0.03);
  EXPECT_NEAR(result->seconds() * change.rate_factor / clip.seconds(), 1, 0.001);
  EXPECT_NEAR(*after.speech_seconds * change.rate_factor / *before.speech_seconds, 1, 0.03);
  EXPECT_NEAR(*after.energy_dbfs - *before.energy_dbfs, change.gain_db, 0.7);
  EXPECT_GT(*after.voiced_ratio, 0.9 * *before.voiced_ratio);
}

TEST(Modify, PitchMovesAlone) {
  for (double f0_hz : {110.0, 180.0, 260.0}) {
    for (double semitones : {-5.0, -2.0, -0.8, 1.5, 3.0, 5.0}) expect_changed(f0_hz, {.pitch_semitones = semitones});
  }
}

TEST(Modify, RateMovesAlone) {
  for (double f0_hz : {110.0, 180.0, 260.0}) {
    for (double factor : {0.7, 0.85, 1.2, 1.45}) expect_changed(f0_hz, {.rate_factor = factor});
  }
}

TEST(Modify, EnergyMovesAlone) {
  for (double gain_db : {-12.0, -4.0, 5.0}) expect_changed(180, {.gain_db = gain_db});
}

TEST(Modify, AllAtOnceAndEqualInputGivesEqualOutput) {
  const ClipChange change{.pitch_semitones = -3, .rate_factor = 1.25, .gain_db = -6};
  expect_changed(200, change);
  EXPECT_EQ(modify(speech_like(200), change)->samples, modify(speech_like(200), change)->samples);
}

TEST(Modify, NothingAskedNothingChanged) {
  const AudioClip clip = speech_like(150);
  EXPECT_EQ(modify(clip, {})->samples, clip.samples);
}

TEST(Modify, RefusesWhatItCannotDo) {
  const AudioClip clip = speech_like(150);
  EXPECT_EQ(modify({}, {}).error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(modify(clip, {.rate_factor = 3}).error().message, ::testing::HasSubstr("expected -12..12, 0.5..2"));
  EXPECT_FALSE(modify(clip, {.pitch_semitones = std::nan("")}));
  AudioClip broken = clip;
  broken.samples[7] = INFINITY;
  EXPECT_FALSE(modify(broken, {.gain_db = 1}));
  const auto shortest = modify({{0.5f}, kSpeechRateHz}, {.pitch_semitones = 2});  // a sample is a clip too
  EXPECT_TRUE(!shortest || shortest->samples.size() == 1);
}

TEST(Concatenate, PutsSilenceBetween) {
  const std::vector<AudioClip> clips = {{{0.1f, 0.2f}, 1000}, {{0.3f}, 1000}};
  const auto result = concatenate(clips, 0.003);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->samples, (std::vector<float>{0.1f, 0.2f, 0, 0, 0, 0.3f}));
  EXPECT_FALSE(concatenate({}, 0.1));
  EXPECT_FALSE(concatenate(std::vector<AudioClip>{{{0.1f}, 1000}, {{0.3f}, 2000}}, 0.1));
}

}  // namespace
}  // namespace prosodia
