// Prosody as a multiple of real time on one core ("x_real_time"): tracking F0 alone, the whole measurement of a clip,
// and words with stress. A made voice, or JFK's from PROSODIA_SHARED_DIR (default ../shared) when it is there.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "data/prosody/f0.h"
#include "data/prosody/stress.h"
#include "data/prosody/word_times.h"
#include "tests/unit/prosody/signals.h"

namespace prosodia {
namespace {

constexpr std::string_view kTranscript =
    "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country.";

const AudioClip& speech() {
  static const AudioClip clip = [] {
    const char* shared = std::getenv("PROSODIA_SHARED_DIR");
    const auto real =
        read_audio_file(std::filesystem::path(shared != nullptr ? shared : "../shared") / "speech/jfk-16k.wav");
    if (real) return *real;
    return testing::voiced(11.0, [](double t) { return 150.0 + 30.0 * std::sin(t); });
  }();
  return clip;
}

void count_real_time(benchmark::State& state) {
  state.counters["x_real_time"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * speech().seconds(), benchmark::Counter::kIsRate);
}

void TrackF0(benchmark::State& state) {
  const AudioClip narrow = *resample(speech(), kF0RateHz);
  const std::vector<bool> active = find_speech(speech()).active;
  for (auto _ : state) benchmark::DoNotOptimize(track_f0(narrow.samples, active));
  count_real_time(state);
}

void MeasureProsody(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(measure_prosody(speech(), kTranscript));
  count_real_time(state);
}

void MeasureProsodyAndStress(benchmark::State& state) {
  for (auto _ : state) {
    const auto tracks = track_prosody(speech());
    benchmark::DoNotOptimize(measure_tracks(*tracks, kTranscript, "en"));
    std::vector<Word> words = estimate_word_times(kTranscript, "en", tracks->frames);
    mark_stress(words, *tracks);
    benchmark::DoNotOptimize(words);
  }
  count_real_time(state);
}

BENCHMARK(TrackF0)->Unit(benchmark::kMillisecond);
BENCHMARK(MeasureProsody)->Unit(benchmark::kMillisecond);
BENCHMARK(MeasureProsodyAndStress)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace prosodia
