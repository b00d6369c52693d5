#include "data/prosody/measure.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <limits>

#include "data/prosody/intonation.h"
#include "data/prosody/syllables.h"
#include "tests/unit/prosody/signals.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

ProsodyMeasure measured(const AudioClip& clip, std::optional<std::string_view> transcript = std::nullopt) {
  auto measure = measure_prosody(clip, transcript);
  EXPECT_TRUE(measure.has_value()) << (measure ? "" : measure.error().message);
  return measure.value_or(ProsodyMeasure{});
}

// Three "syllables" of a rising voice with closures of 60 ms between them.
AudioClip phrase(double stretch = 1.0) {
  AudioClip clip;
  for (int i = 0; i < 3; ++i) {
    const double f0_hz = 120.0 + 40.0 * i;
    const AudioClip syllable = padded(steady(0.2 * stretch, f0_hz), i == 0 ? 0.0 : 0.06, 0.0);
    clip.samples.insert(clip.samples.end(), syllable.samples.begin(), syllable.samples.end());
  }
  return clip;
}

void expect_same(const ProsodyMeasure& a, const ProsodyMeasure& b) {
  ASSERT_TRUE(a.f0_mean_hz && b.f0_mean_hz);
  EXPECT_NEAR(*a.f0_mean_hz, *b.f0_mean_hz, 0.01 * *a.f0_mean_hz);
  EXPECT_NEAR(*a.speech_seconds, *b.speech_seconds, 0.025);
  EXPECT_NEAR(*a.syllables_per_second, *b.syllables_per_second, 0.04 * *a.syllables_per_second);
  EXPECT_EQ(a.intonation, b.intonation);
}

TEST(Measure, SilencePaddingChangesNothing) {
  const ProsodyMeasure plain = measured(phrase(), "one two three");
  EXPECT_EQ(plain.intonation, "rising");
  for (const auto& [before, after] : {std::pair(0.5, 0.0), {0.0, 1.0}, {0.303, 0.407}, {3.0, 3.0}}) {
    const ProsodyMeasure other = measured(padded(phrase(), before, after), "one two three");
    expect_same(plain, other);
    EXPECT_NEAR(*plain.energy_dbfs, *other.energy_dbfs, 0.3);
  }
}

TEST(Measure, GainOnlyMovesEnergy) {
  const ProsodyMeasure plain = measured(phrase(), "one two three");
  for (double gain_db : {-40.0, -20.0, -6.0, 6.0}) {
    const ProsodyMeasure other = measured(scaled(phrase(), std::pow(10.0, gain_db / 20)), "one two three");
    expect_same(plain, other);
    EXPECT_NEAR(*other.energy_dbfs - *plain.energy_dbfs, gain_db, 0.01);
  }
}

TEST(Measure, EnergyIsRmsInDbfs) {
  // A sine of amplitude 0.3: RMS 0.3 / sqrt 2.
  EXPECT_NEAR(*measured(sine(1.0, 200.0, 0.3)).energy_dbfs, 20 * std::log10(0.3 / std::sqrt(2.0)), 0.1);
}

TEST(Measure, RateCountsSpeechNotPauses) {
  const ProsodyMeasure plain = measured(phrase(), "one two three");
  EXPECT_NEAR(*plain.syllables_per_second, 3 / 0.72, 0.3);
  AudioClip twice = padded(phrase(), 0.0, 1.0);  // a pause of one second inside
  const AudioClip again = phrase();
  twice.samples.insert(twice.samples.end(), again.samples.begin(), again.samples.end());
  EXPECT_NEAR(*measured(twice, "one two three four five six").syllables_per_second, *plain.syllables_per_second, 0.2);
  EXPECT_NEAR(*measured(phrase(2.0), "one two three").syllables_per_second, 3 / 1.32, 0.15);
}

TEST(Measure, ContourIgnoresGapsDurationAndTransposition) {
  const auto rise = [](double t) { return 120.0 * std::exp2(0.8 * t); };
  const ProsodyMeasure plain = measured(voiced(1.0, rise));
  // The same glide with a 200 ms hole, slower, and higher.
  const ProsodyMeasure gap = measured(voiced(1.0, rise, [](double t) { return t > 0.4 && t < 0.6 ? 0.0 : 0.1; }));
  const ProsodyMeasure slow = measured(voiced(2.0, [&](double t) { return rise(t / 2); }));
  const ProsodyMeasure high = measured(voiced(1.0, [&](double t) { return 1.5 * rise(t); }));
  for (const ProsodyMeasure* other : {&plain, &gap, &slow, &high}) EXPECT_EQ(other->intonation, "rising");
  for (int i = 0; i < kContourPoints; ++i) {
    EXPECT_NEAR(plain.contour_semitones[i], slow.contour_semitones[i], 0.3) << i;
    EXPECT_NEAR(plain.contour_semitones[i], high.contour_semitones[i], 0.3) << i;
  }
}

TEST(Measure, DegenerateInputIsReportedNotGuessed) {
  const ProsodyMeasure silent = measured(AudioClip{std::vector<float>(16000, 0.0f)}, "one");
  EXPECT_FALSE(silent.energy_dbfs || silent.f0_mean_hz || silent.voiced_ratio || silent.syllables_per_second);
  EXPECT_TRUE(silent.intonation.empty());
  ASSERT_EQ(silent.problems.size(), 1u);
  EXPECT_THAT(silent.problems[0].text, HasSubstr("no speech"));

  const ProsodyMeasure click = measured(padded(steady(0.03, 150.0), 0.5, 0.5), "one");
  EXPECT_FALSE(click.energy_dbfs || click.f0_mean_hz);
  EXPECT_THAT(click.problems.at(0).text, HasSubstr("of speech"));

  const ProsodyMeasure wordless = measured(phrase(), "...");
  EXPECT_FALSE(wordless.syllables_per_second);
  EXPECT_TRUE(wordless.energy_dbfs);
  EXPECT_THAT(wordless.problems.at(0).text, HasSubstr("no words"));

  const ProsodyMeasure clipped = measured([] {
    AudioClip clip = scaled(phrase(), 40.0);
    for (float& sample : clip.samples) sample = std::clamp(sample, -1.0f, 1.0f);
    return clip;
  }());
  EXPECT_THAT(clipped.problems.at(0).text, HasSubstr("clipped"));
}

TEST(Measure, UnusableInputIsAnError) {
  EXPECT_EQ(measure_prosody(AudioClip{}, std::nullopt).error().code, ErrorCode::kInvalidInput);
  AudioClip broken = steady(0.5, 150.0);
  broken.samples[77] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(measure_prosody(broken, std::nullopt).error().message, HasSubstr("sample 77"));
  AudioClip slow = steady(0.5, 150.0);
  slow.sample_rate_hz = 4000;
  EXPECT_THAT(measure_prosody(slow, std::nullopt).error().message, HasSubstr("4000 Hz"));
}

TEST(Measure, SameAtEveryRate) {
  const ProsodyMeasure plain = measured(phrase(), "one two three");
  for (int rate : {8000, 22050, 44100, 48000}) {
    const auto other = resample(phrase(), rate);
    ASSERT_TRUE(other);
    expect_same(plain, measured(*other, "one two three"));
  }
}

TEST(Measure, RealSpeechGivesPlausibleValues) {
  const char* shared = std::getenv("PROSODIA_SHARED_DIR");
  const std::filesystem::path folder = std::filesystem::path(shared ? shared : "") / "speech" / "emodb-2s" / "wav";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << folder << " is absent: no real speech to measure";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto clip = read_audio_file(entry.path());
    ASSERT_TRUE(clip) << clip.error().message;
    const ProsodyMeasure measure = measured(*clip);
    ASSERT_TRUE(measure.f0_mean_hz) << entry.path();
    EXPECT_GT(*measure.f0_mean_hz, 70.0f) << entry.path();
    EXPECT_LT(*measure.f0_mean_hz, 400.0f) << entry.path();
    EXPECT_GT(*measure.voiced_ratio, 0.25f) << entry.path();
    EXPECT_FALSE(measure.intonation.empty()) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 20);
}

// The bound is 100 times real time; an idle core does 2000.
TEST(Intonation, ClassesOfIdealContours) {
  const auto contour = [](const std::function<double(double)>& f) {
    std::vector<float> values(kContourPoints);
    for (int i = 0; i < kContourPoints; ++i) values[i] = static_cast<float>(f(i / (kContourPoints - 1.0)));
    return values;
  };
  EXPECT_EQ(classify_contour(contour([](double t) { return 8 * t; })), "rising");
  EXPECT_EQ(classify_contour(contour([](double t) { return -8 * t; })), "falling");
  EXPECT_EQ(classify_contour(contour([](double t) { return 8 * (1 - std::abs(2 * t - 1)); })), "rising-falling");
  EXPECT_EQ(classify_contour(contour([](double t) { return 8 * std::abs(2 * t - 1); })), "falling-rising");
  EXPECT_EQ(classify_contour(contour([](double t) { return 2.5 * t; })), "flat");
  EXPECT_EQ(classify_contour(contour([](double t) { return 4 * std::sin(12 * t); })), "expressive");
  // Wiggles below three semitones do not make a rise expressive.
  EXPECT_EQ(classify_contour(contour([](double t) { return 8 * t + 1.2 * std::sin(30 * t); })), "rising");
  // Nor do larger ones, where they ride on a larger movement; without one they do.
  EXPECT_EQ(classify_contour(contour([](double t) { return -14 * t + 2.5 * std::sin(25 * t); })), "falling");
  EXPECT_EQ(classify_contour(contour([](double t) { return 18 * (1 - std::abs(2 * t - 1)) + 2 * std::sin(30 * t); })),
            "rising-falling");
  EXPECT_EQ(classify_contour(contour([](double t) { return -3 * t + 2.5 * std::sin(25 * t); })), "expressive");
  // A swing of an octave inside a fall is no wiggle, however well a parabola fits the rest.
  const std::vector<float> swing = {11.6f, 11.6f, 10.3f, 10.3f, 10.3f, 10.3f, 6.9f,  0.1f,  0.1f,  11.9f,
                                    -2.0f, -2.0f, -2.1f, -0.7f, -0.5f, -0.4f, -0.6f, -0.8f, -1.1f, -1.5f};
  EXPECT_EQ(classify_contour(swing), "expressive");
  EXPECT_EQ(classify_contour({}), "");
}

TEST(Syllables, CommonWords) {
  for (const auto& [text, expected] : {std::pair("the door is open now", 6),
                                       {"they moved the old chair", 5},
                                       {"table", 2},
                                       {"wanted", 2},
                                       {"walked", 1},
                                       {"horses", 2},
                                       {"makes", 1},
                                       {"idea", 3},
                                       {"every evening", 4},
                                       {"don't", 1},
                                       {"", 0},
                                       {"... --- 42", 0},
                                       {"Über", 2}}) {
    EXPECT_EQ(count_syllables(text, "en"), expected) << text;
  }
}

}  // namespace
}  // namespace prosodia
