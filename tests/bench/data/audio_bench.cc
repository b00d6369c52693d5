// Log-mel, and decoding with resampling, as multiples of real time on one core ("x_real_time").
#include <benchmark/benchmark.h>
#include <sndfile.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "data/audio/clip.h"
#include "data/audio/log_mel.h"

namespace prosodia {
namespace {

constexpr int kSeconds = 30;

// Harmonics that glide, with noise: no two frames alike.
std::vector<float> voice(int rate_hz, int channels) {
  std::vector<float> samples;
  uint32_t noise = 1;
  double phase = 0;
  for (int i = 0; i < kSeconds * rate_hz; ++i) {
    noise = noise * 1664525u + 1013904223u;
    phase += 2 * 3.14159265 * (180 + 60 * std::sin(2e-5 * i)) / rate_hz;
    const double value = 0.2 * std::sin(phase) + 0.1 * std::sin(2 * phase) + 0.01 * (noise / 4294967296.0 - 0.5);
    for (int c = 0; c < channels; ++c) samples.push_back(static_cast<float>(value));
  }
  return samples;
}

std::string sound_file(int format, int rate_hz, int channels) {
  const auto path = std::filesystem::temp_directory_path() / "prosodia-audio-bench";
  SF_INFO info{};
  info.samplerate = rate_hz;
  info.channels = channels;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  const auto samples = voice(rate_hz, channels);
  sf_writef_float(file, samples.data(), static_cast<sf_count_t>(samples.size()) / channels);
  sf_close(file);
  std::ifstream stream(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  std::filesystem::remove(path);
  return bytes;
}

void count_real_time(benchmark::State& state) {
  state.counters["x_real_time"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kSeconds, benchmark::Counter::kIsRate);
}

void LogMelOf30s(benchmark::State& state) {
  const LogMelExtractor extractor;
  const auto samples = voice(kSpeechRateHz, 1);
  for (auto _ : state) benchmark::DoNotOptimize(extractor.extract(samples));
  count_real_time(state);
}

void decode_and_resample(benchmark::State& state, int format, int rate_hz, int channels) {
  const std::string file = sound_file(format, rate_hz, channels);
  for (auto _ : state) benchmark::DoNotOptimize(decode_audio(std::as_bytes(std::span(file)), "bench"));
  count_real_time(state);
}

BENCHMARK(LogMelOf30s)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode_and_resample, wav_16k_mono, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode_and_resample, wav_48k_stereo, SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 2)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode_and_resample, flac_44k_stereo, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 2)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode_and_resample, vorbis_48k_mono, SF_FORMAT_OGG | SF_FORMAT_VORBIS, 48000, 1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace prosodia
