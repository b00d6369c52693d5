// What must not change a measurement, on made voices and, where it is there, on real speech; and what is no speech.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "data/prosody/measure.h"
#include "tests/unit/prosody/signals.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

ProsodyMeasure measured(const AudioClip& clip) {
  auto measure = measure_prosody(clip, "one two three four");
  EXPECT_TRUE(measure.has_value()) << (measure ? "" : measure.error().message);
  return measure.value_or(ProsodyMeasure{});
}

double cents_between(const std::optional<float>& a, double b) { return a ? std::abs(1200 * std::log2(*a / b)) : 1e9; }

// Four syllables that rise by `semitones`, with closures between them.
AudioClip syllables(double f0_hz, double semitones, double stretch = 1.0, double gap_seconds = 0.06) {
  AudioClip clip;
  for (int i = 0; i < 4; ++i) {
    const double begin = i / 4.0;
    const AudioClip one = voiced(
        0.18 * stretch,
        [&](double t) { return f0_hz * std::exp2(semitones / 12 * (begin + t / (0.72 * stretch) - 0.5)); },
        [&](double t) {
          return 0.1 * std::min({1.0, t / 0.02, (0.18 * stretch - t) / 0.02});
        });
    const AudioClip spaced = padded(one, i == 0 ? 0.0 : gap_seconds, 0.0);
    clip.samples.insert(clip.samples.end(), spaced.samples.begin(), spaced.samples.end());
  }
  return clip;
}

void resonate(AudioClip& clip, double formant_hz, double bandwidth_hz) {
  const double w = 2 * std::numbers::pi / kSpeechRateHz, radius = std::exp(-w * bandwidth_hz / 2);
  const double a1 = -2 * radius * std::cos(w * formant_hz), a2 = radius * radius;
  double y1 = 0, y2 = 0;
  for (float& sample : clip.samples) {
    const double y = (1 + a1 + a2) * sample - a1 * y1 - a2 * y2;
    y2 = y1;
    y1 = y;
    sample = static_cast<float>(y);
  }
}

class Formants : public ::testing::TestWithParam<std::tuple<double, double>> {};

// A resonance moves the strongest harmonic, not the pitch, even when it sits on the second or third harmonic.
TEST_P(Formants, DoNotMoveF0) {
  const auto [f0_hz, formant_hz] = GetParam();
  AudioClip clip = steady(0.5, f0_hz);
  resonate(clip, formant_hz, 60.0);
  resonate(clip, 2.7 * formant_hz, 90.0);
  EXPECT_LT(cents_between(measured(clip).f0_median_hz, f0_hz), 15) << f0_hz << " Hz under " << formant_hz;
}
INSTANTIATE_TEST_SUITE_P(Hz, Formants,
                         ::testing::Combine(::testing::Values(85.0, 130.0, 210.0, 330.0),
                                            ::testing::Values(270.0, 420.0, 660.0, 780.0)));

TEST(Invariance, F0WithoutItsFundamental) {
  for (const double f0_hz : {90.0, 140.0, 200.0}) {
    for (const int first : {2, 3}) {
      const AudioClip clip = voiced(
          0.5, [&](double) { return f0_hz; }, [](double) { return 0.3; }, first);
      EXPECT_LT(cents_between(measured(clip).f0_median_hz, f0_hz), 15) << f0_hz << " from harmonic " << first;
    }
  }
}

TEST(Invariance, EnergyAndRateUnderSilence) {
  const ProsodyMeasure plain = measured(syllables(150, 6));
  for (const auto& [before, after] : {std::pair(0.2, 0.0), {0.0, 2.0}, {1.003, 0.507}}) {
    const ProsodyMeasure other = measured(padded(syllables(150, 6), before, after));
    EXPECT_NEAR(*other.energy_dbfs, *plain.energy_dbfs, 0.3);
    EXPECT_NEAR(*other.syllables_per_second / *plain.syllables_per_second, 1.0, 0.04);
    EXPECT_LT(cents_between(other.f0_mean_hz, *plain.f0_mean_hz), 10);
    EXPECT_EQ(other.intonation, plain.intonation);
  }
}

TEST(Invariance, ContourUnderGainGapsAndDuration) {
  for (const double semitones : {-7.0, 7.0}) {
    const ProsodyMeasure plain = measured(syllables(180, semitones));
    EXPECT_EQ(plain.intonation, semitones > 0 ? "rising" : "falling");
    const std::pair<const char*, AudioClip> others[] = {
        {"quiet", scaled(syllables(180, semitones), 0.01)},
        {"loud", scaled(syllables(180, semitones), 4.0)},
        {"longer gaps", syllables(180, semitones, 1.0, 0.12)},
        {"no gaps", syllables(180, semitones, 1.0, 0.0)},
        {"pauses", syllables(180, semitones, 1.0, 0.4)},
        {"slow", syllables(180, semitones, 2.0)},
        {"higher", syllables(280, semitones)},
    };
    for (const auto& [name, clip] : others) {
      const ProsodyMeasure other = measured(clip);
      EXPECT_EQ(other.intonation, plain.intonation) << name;
      ASSERT_EQ(other.contour_semitones.size(), plain.contour_semitones.size()) << name;
      for (size_t i = 0; i < plain.contour_semitones.size(); ++i) {
        EXPECT_NEAR(other.contour_semitones[i], plain.contour_semitones[i], 0.6) << name << " at " << i;
      }
    }
  }
}

TEST(Invariance, ConstantOffset) {
  AudioClip clip = syllables(150, 6);
  const ProsodyMeasure plain = measured(clip);
  for (float& sample : clip.samples) sample += 0.25f;
  const ProsodyMeasure offset = measured(padded(clip, 0.3, 0.3));
  EXPECT_NEAR(*offset.energy_dbfs, *plain.energy_dbfs, 0.5);
  EXPECT_LT(cents_between(offset.f0_mean_hz, *plain.f0_mean_hz), 10);
  EXPECT_EQ(offset.intonation, plain.intonation);
}

TEST(Invariance, StereoIsMono) {
  const AudioClip mono = syllables(150, 6);
  const auto folder = std::filesystem::temp_directory_path();
  const auto name = folder / ("prosodia-stereo-" + std::to_string(::getpid()) + ".wav");
  ASSERT_TRUE(write_wav(name, mono, WavEncoding::kFloat32));
  std::ifstream stream(name, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  std::filesystem::remove(name);
  const auto one = decode_audio(std::as_bytes(std::span(bytes)), "mono");
  ASSERT_TRUE(one) << one.error().message;
  // The same samples on two channels: a header with twice the channels, every sample twice.
  const size_t data = bytes.find("data") + 8;
  std::string stereo = bytes.substr(0, data);
  for (size_t at = data; at + 4 <= bytes.size(); at += 4) stereo += bytes.substr(at, 4) + bytes.substr(at, 4);
  const auto put = [&](size_t at, uint32_t value, size_t width) {
    for (size_t i = 0; i < width; ++i) stereo[at + i] = static_cast<char>(value >> (8 * i));
  };
  const size_t format = bytes.find("fmt ") + 8;
  put(format + 2, 2, 2);                  // channels
  put(format + 8, kSpeechRateHz * 8, 4);  // bytes a second
  put(format + 12, 8, 2);                 // bytes a frame
  put(data - 4, static_cast<uint32_t>(stereo.size() - data), 4);
  put(4, static_cast<uint32_t>(stereo.size() - 8), 4);
  const auto two = decode_audio(std::as_bytes(std::span(stereo)), "stereo");
  ASSERT_TRUE(two) << two.error().message;
  ASSERT_EQ(two->samples.size(), one->samples.size());
  const ProsodyMeasure a = measured(*one), b = measured(*two);
  EXPECT_EQ(a.f0_mean_hz, b.f0_mean_hz);
  EXPECT_EQ(a.energy_dbfs, b.energy_dbfs);
  EXPECT_EQ(a.syllables_per_second, b.syllables_per_second);
  EXPECT_EQ(a.contour_semitones, b.contour_semitones);
}

// Padding, gain and offset on recordings. Gain stays away from int16's noise floor and from clipping.
TEST(Invariance, RealSpeech) {
  const char* shared = std::getenv("PROSODIA_SHARED_DIR");
  const std::filesystem::path root = std::filesystem::path(shared ? shared : "") / "speech";
  if (!std::filesystem::is_directory(root)) GTEST_SKIP() << root << " is absent: no real speech to measure";
  for (const char* name : {"emodb-2s/wav/08a01Lc.wav", "ravdess/Actor_03/03-01-03-01-02-01-03.wav", "jfk-16k.wav"}) {
    const auto clip = read_audio_file(root / name);
    ASSERT_TRUE(clip) << clip.error().message;
    const ProsodyMeasure plain = measured(*clip);
    ASSERT_TRUE(plain.f0_mean_hz) << name;
    for (const AudioClip& other : {padded(*clip, 0.5, 1.0), scaled(*clip, 0.25), scaled(padded(*clip, 0.25, 0), 0.5)}) {
      const ProsodyMeasure again = measured(other);
      EXPECT_LT(cents_between(again.f0_mean_hz, *plain.f0_mean_hz), 15) << name;
      EXPECT_NEAR(*again.syllables_per_second / *plain.syllables_per_second, 1.0, 0.03) << name;
      EXPECT_EQ(again.intonation, plain.intonation) << name;
    }
    EXPECT_NEAR(*measured(scaled(*clip, 0.5)).energy_dbfs, *plain.energy_dbfs - 6.02, 0.05) << name;
    EXPECT_NEAR(*measured(padded(*clip, 1, 1)).energy_dbfs, *plain.energy_dbfs, 0.2) << name;
  }
}

MeasureProblem::Kind only_problem(const AudioClip& clip) {
  const ProsodyMeasure measure = measured(clip);
  EXPECT_EQ(measure.problems.size(), 1u);
  EXPECT_FALSE(measure.f0_mean_hz || measure.energy_dbfs || measure.syllables_per_second || measure.voiced_ratio);
  EXPECT_EQ(measure.intonation, "");
  EXPECT_FALSE(measure.is_whisper);
  return measure.problems.empty() ? MeasureProblem::kClipped : measure.problems[0].kind;
}

TEST(Degenerate, WhatIsNoSpeechIsReported) {
  EXPECT_EQ(only_problem({std::vector<float>(16000, 0.0f)}), MeasureProblem::kNoSpeech);
  EXPECT_EQ(only_problem({std::vector<float>(16000, 0.4f)}), MeasureProblem::kNoSpeech);  // a constant
  EXPECT_EQ(only_problem(padded({std::vector<float>(16000, 0.4f)}, 0.5, 0.5)), MeasureProblem::kTooShort);  // two steps
  EXPECT_EQ(only_problem(noise(1.0, 1e-5, 3)), MeasureProblem::kNoSpeech);
  for (const double seconds : {0.3, 1.0, 4.0}) {
    EXPECT_EQ(only_problem(noise(seconds, 0.1, 3)), MeasureProblem::kNoSpeech) << seconds;
    EXPECT_EQ(only_problem(padded(noise(seconds, 0.02, 4), 0.5, 0.5)), MeasureProblem::kNoSpeech) << seconds;
  }
  AudioClip click{std::vector<float>(16000, 0.0f)};
  click.samples[8000] = 0.9f;
  EXPECT_EQ(only_problem(click), MeasureProblem::kTooShort);
  EXPECT_EQ(only_problem(steady(0.05, 150)), MeasureProblem::kTooShort);
}

TEST(Degenerate, AWhisperIsNotANoise) {  // noise in syllables
  AudioClip clip = noise(1.2, 0.05, 5);
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    clip.samples[i] *=
        static_cast<float>(std::pow(std::sin(std::numbers::pi * 4 * static_cast<double>(i) / kSpeechRateHz), 2));
  }
  const ProsodyMeasure measure = measured(clip);
  EXPECT_TRUE(measure.is_whisper);
  EXPECT_TRUE(measure.energy_dbfs);
  ASSERT_EQ(measure.problems.size(), 1u);
  EXPECT_EQ(measure.problems[0].kind, MeasureProblem::kUnvoiced);
}

TEST(Degenerate, ClippedSpeechKeepsItsPitch) {
  AudioClip clip = scaled(syllables(150, 6), 60.0);
  for (float& sample : clip.samples) sample = std::clamp(sample, -1.0f, 1.0f);
  const ProsodyMeasure measure = measured(clip);
  ASSERT_EQ(measure.problems.size(), 1u);
  EXPECT_EQ(measure.problems[0].kind, MeasureProblem::kClipped);
  EXPECT_THAT(measure.problems[0].text, HasSubstr("lower bound"));
  EXPECT_LT(cents_between(measure.f0_mean_hz, *measured(syllables(150, 6)).f0_mean_hz), 20);
}

TEST(Degenerate, SpeedNeedsWordsAndALanguage) {
  const auto problem = [](std::string_view transcript, std::string_view language) {
    const auto measure = measure_prosody(syllables(150, 6), transcript, language);
    EXPECT_FALSE(measure->syllables_per_second);
    return measure->problems.size() == 1 ? measure->problems[0].text : "";
  };
  EXPECT_THAT(problem("un deux", "fr"), HasSubstr("no syllable rule for language \"fr\""));
  EXPECT_THAT(problem("one two", ""), HasSubstr("language is not known"));
  EXPECT_THAT(problem("...", "en"), HasSubstr("no words"));
  EXPECT_THAT(problem("room 42", "en"), HasSubstr("digits"));
  EXPECT_TRUE(measure_prosody(syllables(150, 6), "eins zwei", "de")->syllables_per_second);
}

}  // namespace
}  // namespace prosodia
