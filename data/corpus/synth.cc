#include "data/corpus/synth.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include "data/corpus/corpus.h"
#include "data/corpus/emotions.h"
#include "data/corpus/espeak.h"
#include "data/corpus/ordered_parallel.h"
#include "data/prosody/calibration.h"
#include "data/prosody/speech_frames.h"

namespace prosodia {
namespace {

constexpr double kMarginSeconds = 0.03;  // kept around the speech
constexpr double kFadeSeconds = 0.01;    // where a clip is cut

struct Rendered {
  Utterance utterance;
  bool truncated = false;
  bool off_pitch = false;  // voiced, but nowhere near the speaker's pitch
};

// espeak-ng falls back to its default voice without a word when it cannot load one; the pitch then gives it away.
bool is_off_pitch(const UtteranceInfo& info, const SynthSpeaker& speaker) {
  constexpr double kTolerance = 5.0 / 12.0;  // octaves
  const auto levels = level_names(Attribute::kPitch);
  const auto level = std::find(levels.begin(), levels.end(), info.controlled.pitch);
  if (level == levels.end() || !info.measured.f0_mean_hz) return false;
  const double wanted = speaker.f0_hz * speaker.f0_level_ratio[static_cast<size_t>(level - levels.begin())];
  return std::abs(std::log2(*info.measured.f0_mean_hz / wanted)) > kTolerance;
}

// Cuts leading and trailing silence and everything beyond max_seconds. True when speech was lost.
bool trim(AudioClip& clip, const SpeechFrames& frames, double max_seconds) {
  const auto first = std::find(frames.active.begin(), frames.active.end(), true) - frames.active.begin();
  const auto last = frames.active.rend() - std::find(frames.active.rbegin(), frames.active.rend(), true) - 1;
  const double rate = clip.sample_rate_hz;
  const auto sample_at = [&](double seconds) {
    return static_cast<size_t>(std::clamp(seconds * rate, 0.0, static_cast<double>(clip.samples.size())));
  };
  const size_t begin = sample_at(static_cast<double>(first) * kSpeechHopSeconds - kMarginSeconds);
  const size_t end = sample_at(static_cast<double>(last) * kSpeechHopSeconds + kMarginSeconds);
  const size_t limit = begin + static_cast<size_t>(max_seconds * rate);
  const bool truncated = end > limit;
  const size_t stop = std::min(end, limit);
  clip.samples = std::vector<float>(clip.samples.begin() + static_cast<std::ptrdiff_t>(begin),
                                    clip.samples.begin() + static_cast<std::ptrdiff_t>(stop));
  const auto fade = std::min(static_cast<size_t>(kFadeSeconds * rate), clip.samples.size());
  for (size_t i = 0; i < fade; ++i) {
    clip.samples[clip.samples.size() - 1 - i] *= static_cast<float>(i) / static_cast<float>(fade);
  }
  return truncated;
}

// To the wanted energy, but never into clipping.
void set_energy(AudioClip& clip, double energy_dbfs) {
  const SpeechFrames frames = find_speech(clip);
  if (frames.active_count == 0) return;  // the measurement will report it
  double gain = std::pow(10.0, (energy_dbfs - frames.energy_dbfs) / 20);
  float peak = 0;
  for (float sample : clip.samples) peak = std::max(peak, std::abs(sample));
  gain = std::min(gain, 0.99 / static_cast<double>(peak));
  for (float& sample : clip.samples) sample = static_cast<float>(sample * gain);
}

Result<Rendered> render(const Espeak& espeak, const SynthSpeaker& speaker, const UtterancePlan& plan,
                        double max_seconds) {
  PROSODIA_ASSIGN(AudioClip clip, espeak.say(speaker, plan));
  const SpeechFrames frames = find_speech(clip);
  if (frames.active_count == 0) {
    return fail(ErrorCode::kUnavailable, "espeak-ng {} spoke utterance {} (\"{}\") silently", espeak.version(), plan.id,
                plan.sentence);
  }
  Rendered rendered;
  rendered.truncated = trim(clip, frames, max_seconds);
  set_energy(clip, plan.energy_dbfs);
  UtteranceInfo& info = rendered.utterance.info;
  info.id = plan.id;
  info.transcript = plan.sentence;
  info.emotion = plan.emotion;
  info.speaker = speaker.id;
  info.gender = speaker.gender;
  info.language = "en";
  info.source = "synth";
  info.split = plan.split;
  info.controlled = plan.controlled;
  info.controlled.gender = speaker.gender;
  PROSODIA_ASSIGN(info.measured, measure_prosody(clip, plan.sentence));
  rendered.off_pitch = is_off_pitch(info, speaker);
  rendered.utterance.audio = std::move(clip);
  return rendered;
}

// Second pass: levels by the thresholds of each speaker.
void set_levels(std::vector<UtteranceInfo>& infos) {
  std::vector<CalibrationTable::Item> items;
  for (const UtteranceInfo& info : infos)
    items.push_back({info.speaker, info.gender, &info.measured, &info.controlled});
  const CalibrationTable table = CalibrationTable::build(items, {});
  for (UtteranceInfo& info : infos) info.levels = to_levels(info.measured, table.lookup(info.speaker, info.gender));
}

Status check_options(const SynthOptions& options) {
  if (options.out.empty()) return fail(ErrorCode::kUsage, "--out is missing: the corpus file to write");
  if (options.utterances < 1)
    return fail(ErrorCode::kUsage, "--utterances {}: expected at least 1", options.utterances);
  if (!(options.stress_share >= 0 && options.stress_share <= 1))
    return fail(ErrorCode::kUsage, "--stress_share {}: expected 0 to 1", options.stress_share);
  if (options.jobs < 0) return fail(ErrorCode::kUsage, "--jobs {}: expected 0 (one a core) or more", options.jobs);
  if (!(options.max_seconds >= 0.5 && options.max_seconds <= 30)) {
    return fail(ErrorCode::kUsage, "--max_seconds {}: expected 0.5 to 30", options.max_seconds);
  }
  return {};
}

}  // namespace

Result<SynthReport> synthesize_corpus(const SynthOptions& options) {
  PROSODIA_TRY(check_options(options));
  const auto start = std::chrono::steady_clock::now();
  const int test_count = options.test_utterances >= 0
                             ? options.test_utterances
                             : std::max(static_cast<int>(kEmotionCount), options.utterances * 18 / 100);
  std::vector<SynthSpeaker> speakers = train_speakers();
  const size_t train_count = speakers.size();
  for (SynthSpeaker& speaker : test_speakers()) speakers.push_back(std::move(speaker));
  std::vector<UtterancePlan> plans =
      plan_split("train", options.utterances, options.seed, train_count, train_sentences(), options.stress_share);
  for (UtterancePlan& plan : plan_split("test", test_count, options.seed, speakers.size() - train_count,
                                        test_sentences(), options.stress_share)) {
    plan.speaker += train_count;
    plans.push_back(std::move(plan));
  }

  PROSODIA_ASSIGN(const auto espeak, Espeak::prepare(options.espeak_ng, speakers));
  const std::string description =
      fmt::format("synthetic, espeak-ng {}, seed {}, {} train and {} test utterances{}", espeak->version(),
                  options.seed, options.utterances, test_count,
                  options.stress_share > 0 ? fmt::format(", one word stressed in {}", options.stress_share) : "");
  PROSODIA_ASSIGN(const auto writer, CorpusWriter::create(options.out, kSpeechRateHz, description));
  SynthReport report;
  int off_pitch = 0;
  const int jobs = thread_count(options.jobs);
  PROSODIA_TRY(ordered_parallel(
      plans.size(), jobs, static_cast<size_t>(jobs) * 16,
      [&](size_t i) { return render(*espeak, speakers[plans[i].speaker], plans[i], options.max_seconds); },
      [&](size_t i, Rendered rendered) -> Status {
        if (options.stop_requested && options.stop_requested())
          return fail(ErrorCode::kInterrupted, "asked to stop after {} of {} utterances; nothing was written", i,
                      plans.size());
        report.truncated += rendered.truncated;
        off_pitch += rendered.off_pitch;
        report.audio_seconds += rendered.utterance.audio.seconds();
        PROSODIA_TRY(writer->append(rendered.utterance));
        if (options.on_progress) options.on_progress(static_cast<int>(i) + 1, static_cast<int>(plans.size()));
        return {};
      }));
  if (off_pitch > 2 + static_cast<int>(plans.size()) / 20) {
    return fail(
        ErrorCode::kUnavailable,
        "espeak-ng {} does not speak with the voices it is given: {} of {} utterances have another pitch than asked "
        "for. Version 1.51 is known to work",
        espeak->version(), off_pitch, plans.size());
  }
  set_levels(writer->infos());
  PROSODIA_TRY(writer->finish());
  report.utterances = static_cast<int>(plans.size());
  report.bayes_accuracy = bayes_accuracy();
  report.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

std::string SynthReport::to_text() const {
  return fmt::format(
      "{} utterances, {:.1f} minutes of audio in {:.1f} s; {} cut at the time limit; best possible accuracy {:.3f}",
      utterances, audio_seconds / 60, wall_seconds, truncated, bayes_accuracy);
}

}  // namespace prosodia
