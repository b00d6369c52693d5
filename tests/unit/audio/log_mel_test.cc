#include "data/audio/log_mel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <thread>

#include "tests/golden/audio/signals.h"

namespace prosodia {
namespace {

TEST(NumAudioTokens, KnownLengths) {
  const std::vector<std::pair<int64_t, int64_t>> known = {{0, 0},    {1, 0},    {2, 0},    {3, 1},       {4, 1},
                                                          {199, 50}, {200, 50}, {203, 51}, {30000, 7500}};
  for (const auto& [frames, tokens] : known) EXPECT_EQ(num_audio_tokens(frames), tokens) << frames << " frames";
}

TEST(NumMelFrames, RoundsUpAndIsBounded) {
  EXPECT_EQ(num_mel_frames(0), 0);
  EXPECT_EQ(num_mel_frames(1), 1);
  EXPECT_EQ(num_mel_frames(160), 1);
  EXPECT_EQ(num_mel_frames(161), 2);
  EXPECT_EQ(num_mel_frames(4'800'000), 30000);
  EXPECT_EQ(num_mel_frames(9'000'000), 30000);
}

TEST(MelFilterBank, TrianglesCoverTheBandAndHaveUnitArea) {
  const auto filters = mel_filter_bank({});
  constexpr double kHzPerBin = 8000.0 / 200;
  for (int mel = 60; mel < 128; ++mel) {  // wide enough for the bins to sample the triangle well
    double area = 0;
    for (int bin = 0; bin < 201; ++bin) area += filters[mel * 201 + bin] * kHzPerBin;
    EXPECT_NEAR(area, 1.0, 0.1) << "filter " << mel;
  }
}

// The formula of the header, computed the slow way over the whole padded buffer.
std::vector<float> direct_log_mel(std::span<const float> samples, const LogMelOptions& o) {
  const int64_t buffer = int64_t{o.chunk_length_s} * o.sampling_rate_hz, frames = buffer / o.hop_length;
  const int bins = o.n_fft / 2 + 1;
  const auto filters = mel_filter_bank(o);
  std::vector<std::complex<double>> roots(o.n_fft);
  for (int j = 0; j < o.n_fft; ++j) roots[j] = std::polar(1.0, -2 * std::numbers::pi * j / o.n_fft);
  const auto sample = [&](int64_t i) {
    if (i < 0) i = -i;
    if (i >= buffer) i = 2 * (buffer - 1) - i;
    return i < std::ssize(samples) ? double{samples[i]} : 0.0;
  };
  std::vector<float> result(o.num_mel_bins * frames);
  double maximum = -1e9;
  for (int64_t t = 0; t < frames; ++t) {
    std::vector<double> power(bins);
    for (int k = 0; k < bins; ++k) {
      std::complex<double> sum = 0;
      for (int j = 0; j < o.n_fft; ++j) {
        const double hann = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * j / o.n_fft);
        sum += hann * sample(t * o.hop_length - o.n_fft / 2 + j) * roots[(j * k) % o.n_fft];
      }
      power[k] = std::norm(sum);
    }
    for (int mel = 0; mel < o.num_mel_bins; ++mel) {
      double energy = 0;
      for (int k = 0; k < bins; ++k) energy += filters[mel * bins + k] * power[k];
      result[mel * frames + t] = static_cast<float>(std::log10(std::max(energy, 1e-10)));
      maximum = std::max(maximum, std::log10(std::max(energy, 1e-10)));
    }
  }
  for (float& value : result) value = static_cast<float>((std::max<double>(value, maximum - 8) + 4) / 4);
  return result;
}

// A one-second chunk keeps the slow way affordable and puts clips near the end of the buffer.
TEST(LogMelExtractor, CheapRouteEqualsTheWholeBuffer) {
  const LogMelOptions options{.num_mel_bins = 40, .chunk_length_s = 1};
  const LogMelExtractor extractor(options);
  for (const size_t n : {500u, 1600u, 15600u, 15870u, 15999u, 16000u, 20000u}) {
    for (const char* kind : {"last_sample", "fading"}) {
      const auto samples = test_signal(kind, n);
      const auto mel = extractor.extract(samples);
      ASSERT_TRUE(mel) << mel.error().message;
      const auto kept = std::span(samples).first(std::min<size_t>(n, 16000));
      const auto direct = direct_log_mel(kept, options);
      for (int bin = 0; bin < 40; ++bin) {
        for (int64_t t = 0; t < mel->num_frames; ++t) {
          ASSERT_NEAR(mel->values[bin * mel->num_frames + t], direct[bin * 100 + t], 1e-6)
              << kind << " n " << n << " bin " << bin << " frame " << t;
        }
      }
    }
  }
}

TEST(LogMelExtractor, SilenceIsFlat) {
  const auto mel = LogMelExtractor().extract(std::vector<float>(1600));
  ASSERT_TRUE(mel);
  EXPECT_EQ(mel->num_frames, 10);
  for (const float value : mel->values) ASSERT_FLOAT_EQ(value, -1.5f);  // (-10 + 4) / 4
}

TEST(LogMelExtractor, RefusesWhatYieldsNoToken) {
  const LogMelExtractor extractor;
  for (const size_t n : {0u, 1u, 160u, 320u}) {
    const auto mel = extractor.extract(std::vector<float>(n, 0.1f));
    ASSERT_FALSE(mel) << n;
    EXPECT_EQ(mel.error().code, ErrorCode::kInvalidInput);
    EXPECT_NE(mel.error().message.find("321"), std::string::npos) << mel.error().message;
  }
  EXPECT_TRUE(extractor.extract(std::vector<float>(321, 0.1f)));
}

TEST(LogMelExtractor, RefusesNonFiniteSamples) {
  std::vector<float> samples(4000, 0.1f);
  samples[1234] = std::numeric_limits<float>::quiet_NaN();
  const auto mel = LogMelExtractor().extract(samples);
  ASSERT_FALSE(mel);
  EXPECT_NE(mel.error().message.find("1234"), std::string::npos);
}

TEST(LogMelExtractor, IsTheSameOnManyThreads) {
  const LogMelExtractor extractor;
  const auto samples = test_signal("chirp", 8000);
  const auto expected = extractor.extract(samples)->values;
  std::vector<std::thread> threads;
  std::vector<int> equal(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] { equal[i] = extractor.extract(samples)->values == expected; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(equal, std::vector<int>(4, 1));
}

}  // namespace
}  // namespace prosodia
