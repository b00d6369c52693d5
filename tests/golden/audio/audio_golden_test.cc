// Log-mel against transformers' WhisperFeatureExtractor, resampling against soxr as librosa calls it, the filter bank
// against Whisper's own. Stored values: generate.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/audio/clip.h"
#include "data/audio/log_mel.h"
#include "data/store/safetensors.h"
#include "tests/golden/audio/signals.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

// transformers' float64 path agrees to the last bits of float32. Its float32 STFT is itself 1e-5 away from that where a
// bin lies almost 80 dB under the loudest one; the mean shows that nothing else differs.
constexpr double kExactTolerance = 5e-7;
constexpr double kFloat32Tolerance = 2e-5;
constexpr double kFloat32MeanTolerance = 1e-6;

// ctest sets both; by hand the tests run from the source root.
fs::path directory(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr ? value : ".";
}

fs::path golden(const char* name) { return directory("PROSODIA_SOURCE_DIR") / "tests/golden/audio" / name; }
fs::path shared(const std::string& name) { return directory("PROSODIA_SHARED_DIR") / name; }

template <class T>
std::vector<T> values(const SafetensorsFile& file, const std::string& name) {
  const TensorView* view = file.find(name);
  if (view == nullptr) ADD_FAILURE() << "no tensor " << name;
  std::vector<T> result(view == nullptr ? 0 : view->data.size() / sizeof(T));
  if (view != nullptr) std::memcpy(result.data(), view->data.data(), view->data.size());
  return result;
}

struct Difference {
  double max = 0, mean = 0;
};

Difference compare(const LogMel& mel, const std::vector<int64_t>& frames, const std::vector<float>& expected) {
  EXPECT_EQ(expected.size(), frames.size() * mel.num_mel_bins);
  Difference difference;
  for (int bin = 0; bin < mel.num_mel_bins; ++bin) {
    for (size_t i = 0; i < frames.size(); ++i) {
      const double d =
          std::abs(double{mel.values[bin * mel.num_frames + frames[i]]} - expected[bin * frames.size() + i]);
      difference.max = std::max(difference.max, d);
      difference.mean += d / static_cast<double>(expected.size());
    }
  }
  return difference;
}

void expect_equal_mel(const SafetensorsFile& file, const std::string& name, std::span<const float> samples) {
  SCOPED_TRACE(name);
  const auto mel = LogMelExtractor().extract(samples);
  ASSERT_TRUE(mel) << mel.error().message;
  ASSERT_EQ(mel->num_frames, values<int64_t>(file, name + "/num_frames").at(0));
  const auto frames = values<int64_t>(file, name + "/frames");
  const Difference exact = compare(*mel, frames, values<float>(file, name + "/numpy"));
  const Difference torch = compare(*mel, frames, values<float>(file, name + "/torch"));
  std::printf("%-12s float64 path: max %.1e mean %.1e   float32 path: max %.1e mean %.1e\n", name.c_str(), exact.max,
              exact.mean, torch.max, torch.mean);
  EXPECT_LE(exact.max, kExactTolerance);
  EXPECT_LE(torch.max, kFloat32Tolerance);
  EXPECT_LE(torch.mean, kFloat32MeanTolerance);
}

TEST(LogMelGolden, MatchesTransformersOnSyntheticSignals) {
  const auto file = SafetensorsFile::open(golden("mel.safetensors"));
  ASSERT_TRUE(file) << file.error().message;
  const auto cases = nlohmann::json::parse((*file)->metadata().at("cases"));
  ASSERT_GE(cases.size(), 10u);
  for (const auto& entry : cases) {
    const auto samples = test_signal(entry["signal"].get<std::string>(), entry["samples"].get<size_t>());
    expect_equal_mel(**file, entry["name"].get<std::string>(), samples);
  }
}

TEST(LogMelGolden, MatchesTransformersOnSpeech) {
  if (!fs::exists(shared("speech/jfk-16k.wav"))) GTEST_SKIP() << "no real speech under PROSODIA_SHARED_DIR";
  const auto file = SafetensorsFile::open(golden("mel.safetensors"));
  const auto clip = read_audio_file(shared("speech/jfk-16k.wav"));
  ASSERT_TRUE(file && clip);
  ASSERT_EQ(clip->samples.size(), 176000u);
  expect_equal_mel(**file, "jfk", clip->samples);
}

// As signed_mean of generate.py.
double signed_mean(std::span<const float> values) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += noise_at(i, 0) < 0 ? -double{values[i]} : double{values[i]};
  return sum / static_cast<double>(values.size());
}

// 48 kHz, some stereo, with foreign chunks before and behind the data: decoding, channel mean, resampling and log-mel
// in a row.
TEST(LogMelGolden, MatchesTransformersOnRavdessOriginals) {
  if (!fs::exists(shared("speech/ravdess-raw"))) GTEST_SKIP() << "no real speech under PROSODIA_SHARED_DIR";
  std::ifstream stream(golden("ravdess.json"));
  const auto rows = nlohmann::json::parse(stream);
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& row : rows) {
    SCOPED_TRACE(row["file"].get<std::string>());
    const auto clip = read_audio_file(shared("speech") / row["file"].get<std::string>());
    ASSERT_TRUE(clip) << clip.error().message;
    ASSERT_EQ(clip->samples.size(), row["samples"].get<size_t>());
    EXPECT_NEAR(signed_mean(clip->samples), row["sample_signed_mean"].get<double>(), 1e-9);
    const auto mel = LogMelExtractor().extract(clip->samples);
    ASSERT_TRUE(mel) << mel.error().message;
    ASSERT_EQ(mel->num_frames, row["frames"].get<int64_t>());
    double mean = 0, mean_square = 0;
    for (const float value : mel->values) {
      mean += value / static_cast<double>(mel->values.size());
      mean_square += double{value} * value / static_cast<double>(mel->values.size());
    }
    EXPECT_NEAR(mean, row["mel_mean"].get<double>(), 1e-6);
    EXPECT_NEAR(mean_square, row["mel_mean_square"].get<double>(), 1e-6);
    EXPECT_NEAR(signed_mean(mel->values), row["mel_signed_mean"].get<double>(), 1e-7);
  }
}

TEST(LogMelGolden, FilterBankMatchesWhisper) {
  for (const int bins : {80, 128}) {
    const fs::path path = shared("speech/whisper-mel") / ("mel_" + std::to_string(bins) + ".npy");
    if (!fs::exists(path)) GTEST_SKIP() << "no Whisper filter banks under PROSODIA_SHARED_DIR";
    std::ifstream stream(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
    const auto filters = mel_filter_bank({.num_mel_bins = bins});
    ASSERT_EQ(filters.size(), static_cast<size_t>(bins) * 201);
    ASSERT_GT(bytes.size(), filters.size() * sizeof(float));  // .npy: header, then the float32 data in C order
    std::vector<float> whisper(filters.size());
    std::memcpy(whisper.data(), bytes.data() + bytes.size() - filters.size() * sizeof(float),
                filters.size() * sizeof(float));
    for (size_t i = 0; i < filters.size(); ++i)
      ASSERT_NEAR(filters[i], whisper[i], 4e-9 /* one ulp */) << bins << " bins, entry " << i;
  }
}

TEST(ResampleGolden, MatchesSoxrAsLibrosaCallsIt) {
  const auto file = SafetensorsFile::open(golden("resample.safetensors"));
  ASSERT_TRUE(file) << file.error().message;
  for (const int rate : {8000, 11025, 22050, 44100, 48000}) {
    std::vector<float> samples = test_signal("noise", 6000);
    for (float& sample : samples) sample *= 0.5f;
    const auto clip = resample({samples, rate}, 16000);
    ASSERT_TRUE(clip) << clip.error().message;
    const auto expected = values<float>(**file, std::to_string(rate));
    ASSERT_GE(clip->samples.size(), (expected.size() - 1) * 7 + 1);
    double worst = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(double{clip->samples[i * 7]} - expected[i]));
    }
    std::printf("%5d Hz: max difference %.1e\n", rate, worst);
    EXPECT_LE(worst, 1e-6) << rate << " Hz";
  }
}

}  // namespace
}  // namespace prosodia
