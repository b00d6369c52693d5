#include "data/audio/clip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sndfile.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <numbers>

#include "data/base/philox.h"

// libsndfile 1.2.0 leaks a small structure when it gives up on a damaged Ogg header. Read by LeakSanitizer builds
// alone.
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis_info_init"; }

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ClipTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(::testing::TempDir()) /
           (std::string("clip_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }

  // A tone of 0.25 times (channel + 1) in each channel.
  fs::path write_tone(const std::string& name, int format, int rate, int channels, double seconds = 0.5) {
    const auto frames = static_cast<size_t>(rate * seconds);
    std::vector<float> samples;
    for (size_t i = 0; i < frames; ++i) {
      for (int c = 0; c < channels; ++c) {
        samples.push_back(0.25f * static_cast<float>(c + 1) *
                          static_cast<float>(std::sin(2 * std::numbers::pi * 440 * static_cast<double>(i) / rate)));
      }
    }
    return write_samples(name, format, rate, channels, samples);
  }

  fs::path write_samples(const std::string& name, int format, int rate, int channels,
                         const std::vector<float>& samples) {
    SF_INFO info{};
    info.samplerate = rate;
    info.channels = channels;
    info.format = format;
    SNDFILE* file = sf_open((dir_ / name).c_str(), SFM_WRITE, &info);
    EXPECT_NE(file, nullptr) << sf_strerror(nullptr);
    const auto frames = static_cast<sf_count_t>(samples.size()) / channels;
    EXPECT_EQ(sf_writef_float(file, samples.data(), frames), frames);
    sf_close(file);
    return dir_ / name;
  }

  std::string contents(const fs::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  void expect_invalid(const Result<AudioClip>& clip, const std::string& file, const std::string& why) {
    ASSERT_FALSE(clip) << file;
    EXPECT_EQ(clip.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(clip.error().message, HasSubstr(file));
    EXPECT_THAT(clip.error().message, HasSubstr(why));
  }

  fs::path dir_;
};

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The amplitude of a 440 Hz tone in the middle of the clip, where the resampler has settled.
double tone_amplitude(const AudioClip& clip) {
  double sine = 0, cosine = 0;
  const size_t begin = clip.samples.size() / 4, end = begin * 3;
  for (size_t i = begin; i < end; ++i) {
    const double phase = 2 * std::numbers::pi * 440 * static_cast<double>(i) / clip.sample_rate_hz;
    sine += clip.samples[i] * std::sin(phase);
    cosine += clip.samples[i] * std::cos(phase);
  }
  return 2 * std::hypot(sine, cosine) / static_cast<double>(end - begin);
}

TEST_F(ClipTest, EveryFormatRateAndChannelCountBecomesMono16k) {
  const std::vector<std::pair<std::string, int>> formats = {
      {"pcm16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},     {"pcm24.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24},
      {"u8.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8},        {"float.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT},
      {"ext.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16},     {"ulaw.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW},
      {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},       {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
      {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},       {"a.au", SF_FORMAT_AU | SF_FORMAT_PCM_16},
      {"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}};
  for (const auto& [name, format] : formats) {
    for (const int rate : {8000, 16000, 44100, 48000}) {
      for (const int channels : {1, 2}) {
        SCOPED_TRACE(name + " " + std::to_string(rate) + " Hz, channels " + std::to_string(channels));
        const auto clip = read_audio_file(write_tone(name, format, rate, channels));
        ASSERT_TRUE(clip) << clip.error().message;
        EXPECT_EQ(clip->sample_rate_hz, 16000);
        if (!name.ends_with("mp3")) {  // an encoder pads
          EXPECT_EQ(clip->samples.size(), 8000u);
        }
        EXPECT_NEAR(tone_amplitude(*clip), channels == 1 ? 0.25 : 0.375, 0.01);
      }
    }
  }
}

// Opus codes at 8, 12, 16, 24 or 48 kHz only, and libsndfile may be built without it.
TEST_F(ClipTest, OpusBecomesMono16k) {
  constexpr int kOpus = SF_FORMAT_OGG | SF_FORMAT_OPUS;
  SF_INFO probe{.samplerate = 48000, .channels = 1, .format = kOpus};
  if (!sf_format_check(&probe)) GTEST_SKIP() << "this libsndfile has no Opus";
  for (const int rate : {8000, 24000, 48000}) {
    for (const int channels : {1, 2}) {
      SCOPED_TRACE(std::to_string(rate) + " Hz, channels " + std::to_string(channels));
      const auto clip = read_audio_file(write_tone("a.opus", kOpus, rate, channels));
      ASSERT_TRUE(clip) << clip.error().message;
      EXPECT_NEAR(static_cast<double>(clip->samples.size()), 8000.0, 400.0);
      EXPECT_NEAR(tone_amplitude(*clip), channels == 1 ? 0.25 : 0.375, 0.02);
    }
  }
}

TEST_F(ClipTest, AbsurdAmplitudesAreRefused) {
  std::vector<float> samples(3000, 0.1f);
  samples[1234] = -3e38f;
  const auto path = write_samples("loud.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8000, 1, samples);
  expect_invalid(read_audio_file(path), "loud.wav", "1234");
}

TEST_F(ClipTest, Pcm16IsScaledByExactly32768) {
  SF_INFO info{};
  info.samplerate = 16000;
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  SNDFILE* file = sf_open((dir_ / "a.wav").c_str(), SFM_WRITE, &info);
  const std::vector<short> written = {0, 1, -1, 12345, 32767, -32768};
  sf_write_short(file, written.data(), std::ssize(written));
  sf_close(file);
  const auto clip = read_audio_file(dir_ / "a.wav");
  ASSERT_TRUE(clip);
  ASSERT_EQ(clip->samples.size(), written.size());
  for (size_t i = 0; i < written.size(); ++i) EXPECT_EQ(clip->samples[i], static_cast<float>(written[i]) / 32768.0f);
}

TEST_F(ClipTest, MemoryAndFileGiveTheSame) {
  const fs::path path = write_tone("a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 44100, 2);
  const auto from_file = read_audio_file(path);
  const auto from_memory = decode_audio(bytes_of(contents(path)), "a.flac");
  ASSERT_TRUE(from_file && from_memory);
  EXPECT_EQ(from_file->samples, from_memory->samples);
}

TEST_F(ClipTest, MissingFolderAndForeignFilesAreRefused) {
  expect_invalid(read_audio_file(dir_ / "none.wav"), "none.wav", "no such");
  expect_invalid(read_audio_file(dir_), dir_.string(), "not a regular file");
  std::ofstream(dir_ / "empty.wav");
  expect_invalid(read_audio_file(dir_ / "empty.wav"), "empty.wav", "empty file");
  std::ofstream(dir_ / "text.wav") << "this is not sound";
  expect_invalid(read_audio_file(dir_ / "text.wav"), "text.wav", "not a readable sound file");
  expect_invalid(read_audio_file(write_samples("zero.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, {})), "zero.wav",
                 "no samples");
}

TEST_F(ClipTest, TruncatedFilesAreRefused) {
  for (const auto& [name, format] :
       std::vector<std::pair<std::string, int>>{{"cut.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
                                                {"cut.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
                                                {"cut.rifx", SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG},
                                                {"cut.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16}}) {
    SCOPED_TRACE(name);
    const std::string whole = contents(write_tone(name, format, 16000, 1));
    expect_invalid(decode_audio(bytes_of(whole.substr(0, whole.size() * 2 / 3)), name), name, "");
    EXPECT_TRUE(decode_audio(bytes_of(whole), name));
  }
}

TEST_F(ClipTest, UnknownLengthOfAPipedWavIsAccepted) {
  std::string bytes = contents(write_tone("pipe.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1));
  const size_t data = bytes.find("data");
  for (const char* size : {"\xFF\xFF\xFF\xFF", "\x24\xF0\xFF\x7F"}) {
    bytes.replace(data + 4, 4, size, 4);
    bytes.replace(4, 4, size, 4);
    const auto clip = decode_audio(bytes_of(bytes), "pipe.wav");
    ASSERT_TRUE(clip) << clip.error().message;
    EXPECT_EQ(clip->samples.size(), 8000u);
  }
}

TEST_F(ClipTest, NanAndInfinityAreRefused) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> samples(5000, 0.1f);
    samples[4321] = bad;
    const auto path = write_samples("nan.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, samples);
    expect_invalid(read_audio_file(path), "nan.wav", "4321");
  }
}

TEST_F(ClipTest, AbsurdHeadersAreRefused) {
  std::string bytes = contents(write_tone("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1));
  std::string slow = bytes, wide = bytes;
  slow.replace(24, 4, std::string("\x01\x00\x00\x00", 4));  // 1 Hz
  expect_invalid(decode_audio(bytes_of(slow), "slow.wav"), "slow.wav", "sample rate");
  wide.replace(22, 2, std::string("\xC8\x00", 2));  // 200 channels
  wide.replace(32, 2, std::string("\x90\x01", 2));  // block align
  expect_invalid(decode_audio(bytes_of(wide), "wide.wav"), "wide.wav", "");
}

// Many channels, odd rates, and a rate ratio without a small fraction.
TEST_F(ClipTest, OddRatesAndManyChannelsAreRead) {
  for (const auto& [rate, channels] : std::vector<std::pair<int, int>>{
           {11025, 6}, {22050, 8}, {15999, 1}, {96000, 2}, {192000, 1}, {1000, 1}, {16000, 64}}) {
    SCOPED_TRACE(std::to_string(rate) + " Hz, channels " + std::to_string(channels));
    const auto frames = static_cast<size_t>(rate) / 2;
    const auto clip =
        read_audio_file(write_samples("odd.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, rate, channels,
                                      std::vector<float>(frames * static_cast<size_t>(channels), 0.125f)));
    ASSERT_TRUE(clip) << clip.error().message;
    EXPECT_EQ(clip->samples.size(), static_cast<size_t>(std::ceil(static_cast<double>(frames) * 16000 / rate)));
    EXPECT_NEAR(clip->samples[clip->samples.size() / 2], 0.125f, 1e-4);
  }
}

TEST_F(ClipTest, RandomDamageNeverCrashes) {
  PhiloxStream random(11);
  for (const auto& [name, format] :
       std::vector<std::pair<std::string, int>>{{"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
                                                {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
                                                {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
                                                {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16}}) {
    const std::string whole = contents(write_tone(name, format, 16000, 2, 0.05));
    for (int round = 0; round < 150; ++round) {
      std::string damaged =
          whole.substr(0, round % 3 == 0 ? random.next_below(static_cast<uint32_t>(whole.size())) : whole.size());
      for (int hit = 0; hit < 4 && !damaged.empty(); ++hit) {
        const auto limit = static_cast<uint32_t>(hit < 2 ? std::min<size_t>(damaged.size(), 64) : damaged.size());
        damaged[random.next_below(limit)] = static_cast<char>(random.next_u32());
      }
      const auto clip = decode_audio(bytes_of(damaged), name);
      if (!clip) {
        EXPECT_EQ(clip.error().code, ErrorCode::kInvalidInput) << clip.error().message;
        continue;
      }
      for (const float sample : clip->samples) ASSERT_TRUE(std::isfinite(sample));
    }
  }
}

TEST(Resample, LengthIsRoundedUpAndEqualRatesCopy) {
  const AudioClip clip{std::vector<float>(1001, 0.1f), 48000};
  EXPECT_EQ(resample(clip, 16000)->samples.size(), 334u);
  EXPECT_EQ(resample(clip, 48000)->samples, clip.samples);
  EXPECT_EQ(resample({{0.5f}, 8000}, 16000)->samples.size(), 2u);
  EXPECT_TRUE(resample({{}, 8000}, 16000)->samples.empty());
}

TEST(Resample, AliasesAreRemoved) {
  AudioClip clip{std::vector<float>(48000), 48000};
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    clip.samples[i] = static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * 11000 * static_cast<double>(i) / 48000));
  }
  const auto low = resample(clip, 16000);
  ASSERT_TRUE(low);
  double energy = 0;
  for (size_t i = 1000; i < 15000; ++i) energy += double{low->samples[i]} * low->samples[i];
  EXPECT_LT(std::sqrt(energy / 14000), 1e-4);
}

TEST(Resample, RefusesAbsurdRates) {
  EXPECT_FALSE(resample({{0.5f}, 0}, 16000));
  EXPECT_FALSE(resample({{0.5f}, 16000}, -1));
}

TEST_F(ClipTest, WriteWavRoundTrips) {
  AudioClip clip{{0.0f, 0.25f, -0.5f, 1.5f, -1.5f}, 16000};
  ASSERT_TRUE(write_wav(dir_ / "f.wav", clip, WavEncoding::kFloat32));
  EXPECT_EQ(read_audio_file(dir_ / "f.wav")->samples, clip.samples);
  ASSERT_TRUE(write_wav(dir_ / "i.wav", clip));
  const auto pcm = read_audio_file(dir_ / "i.wav")->samples;
  ASSERT_EQ(pcm.size(), 5u);
  EXPECT_NEAR(pcm[1], 0.25f, 1.0f / 32768);
  EXPECT_NEAR(pcm[3], 1.0f, 1.0f / 32768);  // clipped, not wrapped
  EXPECT_NEAR(pcm[4], -1.0f, 1.0f / 32768);
  const std::string first = contents(dir_ / "f.wav");
  ASSERT_TRUE(write_wav(dir_ / "f.wav", clip, WavEncoding::kFloat32));
  EXPECT_EQ(contents(dir_ / "f.wav"), first);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir_), {}), 2);  // no temporary file is left
}

TEST_F(ClipTest, WriteWavReportsStorageErrors) {
  const auto status = write_wav(dir_ / "no" / "such" / "f.wav", {{0.1f}, 16000});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kStorage);
  EXPECT_THAT(status.error().message, HasSubstr("f.wav"));
}

fs::path directory(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr ? value : ".";
}

// 48 kHz WAVs with FLLR, LIST, bext and _PMX chunks around the data; two of the four are stereo.
TEST(RealSpeech, RavdessOriginalsDecode) {
  const fs::path root = directory("PROSODIA_SHARED_DIR") / "speech/ravdess-raw";
  if (!fs::exists(root)) GTEST_SKIP() << "no real speech under PROSODIA_SHARED_DIR";
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".wav") continue;
    ++files;
    const auto clip = read_audio_file(entry.path());
    ASSERT_TRUE(clip) << clip.error().message;
    EXPECT_EQ(clip->sample_rate_hz, 16000);
    EXPECT_GT(clip->seconds(), 2.5);
    EXPECT_LT(clip->seconds(), 6.0);
    float peak = 0;
    for (const float sample : clip->samples) peak = std::max(peak, std::abs(sample));
    EXPECT_GT(peak, 0.005f) << entry.path();
  }
  EXPECT_EQ(files, 4);
}

}  // namespace
}  // namespace prosodia
