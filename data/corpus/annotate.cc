#include "data/corpus/annotate.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <thread>

#include "data/corpus/corpus.h"
#include "data/corpus/ordered_parallel.h"
#include "data/corpus/word_sidecar.h"
#include "data/prosody/syllables.h"
#include "data/prosody/word_times.h"

namespace prosodia {
namespace {

// What one utterance contributes, before the calibration that needs all of them.
struct Annotated {
  Utterance utterance;
  std::string without_stress;  // reason; empty when the words have prominences
};

class Annotator {
 public:
  Annotator(const CorpusReader& corpus, const AnnotateOptions& options, std::optional<WordTimes> sidecar)
      : corpus_(corpus), options_(options), sidecar_(std::move(sidecar)) {}

  Result<Annotated> annotate(size_t index) const;  // from any thread

 private:
  Status set_words(const ProsodyTracks& tracks, const std::string& language, UtteranceInfo& info) const;

  const CorpusReader& corpus_;
  const AnnotateOptions& options_;
  std::optional<WordTimes> sidecar_;
};

bool are_estimates(const std::vector<Word>& words) {
  return std::any_of(words.begin(), words.end(), [](const Word& word) { return word.is_estimated; });
}

Status Annotator::set_words(const ProsodyTracks& tracks, const std::string& language, UtteranceInfo& info) const {
  if (sidecar_) {
    PROSODIA_ASSIGN(auto found, sidecar_->find(info.id));
    if (found) {
      info.words = std::move(*found);
      return {};
    }
  }
  // Estimates of an earlier run are made anew.
  if (info.words.empty() || are_estimates(info.words)) {
    info.words = estimate_word_times(info.transcript, language, tracks.frames);
  }
  return {};
}

std::string reason_without_stress(const UtteranceInfo& info, const ProsodyMeasure& measure) {
  for (const MeasureProblem& problem : measure.problems) {
    if (explains(problem.kind, Attribute::kStress)) return std::string(problem_name(problem.kind));
  }
  if (info.transcript.empty() && info.words.empty()) return "no transcript";
  return info.words.empty() ? "no word times" : "fewer than three words";
}

Result<Annotated> Annotator::annotate(size_t index) const {
  PROSODIA_ASSIGN(Utterance utterance, corpus_.read(index));
  UtteranceInfo& info = utterance.info;
  const auto located = [&](const Error& error) {
    return wrap(error, fmt::format("{}#{}", corpus_.path().string(), info.id));
  };
  const Result<ProsodyTracks> tracks = track_prosody(utterance.audio);
  if (!tracks) return located(tracks.error());
  const std::string& language = info.language.empty() ? options_.language : info.language;
  const auto transcript = info.transcript.empty() ? std::nullopt : std::optional<std::string_view>(info.transcript);
  info.measured = measure_tracks(*tracks, transcript, language);
  if (const Status words = set_words(*tracks, language, info); !words) return located(words.error());
  Annotated result;
  if (!mark_stress(info.words, *tracks, options_.stress))
    result.without_stress = reason_without_stress(info, info.measured);
  result.utterance = std::move(utterance);
  return result;
}

void set_levels(std::vector<UtteranceInfo>& infos, const CalibrationTable& table) {
  for (UtteranceInfo& info : infos) {
    info.levels = to_levels(info.measured, table.lookup(info.speaker, info.gender));
    info.levels.stress = stressed_words(info.words);
    info.levels.gender = info.gender;
    info.levels.age = info.age_group;
  }
}

void count_levels(const UtteranceInfo& info, AnnotateReport& report) {
  for (Attribute attribute : kAttributes) {
    if (attribute == Attribute::kStress) continue;
    auto& counts = report.attributes[attribute];
    if (const std::string& level = info.levels[attribute]; !level.empty()) {
      ++counts.levels[level];
      continue;
    }
    const bool is_label = attribute == Attribute::kGender || attribute == Attribute::kAge;
    std::string reason = is_label                                                    ? "not given"
                         : attribute == Attribute::kSpeed && info.transcript.empty() ? "no transcript"
                                                                                     : "too few to calibrate";
    for (const MeasureProblem& problem : info.measured.problems) {
      if (!is_label && explains(problem.kind, attribute)) reason = problem_name(problem.kind);
    }
    ++counts.undetermined[reason];
  }
}

void count_words(const UtteranceInfo& info, AnnotateReport& report) {
  for (const Word& word : info.words) {
    ++(word.is_estimated ? report.estimated_words : report.timed_words);
    report.stressed_words += word.stressed;
  }
  for (const MeasureProblem& problem : info.measured.problems) {
    report.clipped += problem.kind == MeasureProblem::kClipped;
  }
  if (!info.controlled.stress.empty()) {
    ++report.stress_controlled;
    report.stress_agreeing += info.controlled.stress == info.levels.stress;
  }
}

CalibrationTable calibrate_corpus(const std::vector<UtteranceInfo>& infos, const CalibrationOptions& options) {
  std::vector<CalibrationTable::Item> items;
  for (const UtteranceInfo& info : infos) {
    items.push_back({info.speaker, info.gender, &info.measured, &info.controlled});
  }
  return CalibrationTable::build(items, options);
}

Status check_options(const AnnotateOptions& options) {
  if (options.corpus.empty()) return fail(ErrorCode::kUsage, "--corpus is missing: the corpus to annotate");
  if (options.jobs < 0) return fail(ErrorCode::kUsage, "--jobs {}: expected 0 (one a core) or more", options.jobs);
  if (!options.language.empty() && !count_syllables("", options.language)) {
    return fail(ErrorCode::kUsage, "--language {}: no syllable rule; expected en or de", options.language);
  }
  return {};
}

}  // namespace

Result<AnnotateReport> annotate_corpus(const AnnotateOptions& options) {
  PROSODIA_TRY(check_options(options));
  const auto start = std::chrono::steady_clock::now();
  PROSODIA_ASSIGN(const auto corpus, CorpusReader::open(options.corpus));
  std::optional<WordTimes> sidecar;
  if (!options.word_times.empty()) {
    PROSODIA_ASSIGN(sidecar, WordTimes::open(options.word_times));
  }
  const std::filesystem::path& out = options.out.empty() ? options.corpus : options.out;
  PROSODIA_ASSIGN(const auto writer, CorpusWriter::create(out, corpus->sample_rate_hz(), corpus->description()));
  const Annotator annotator(*corpus, options, std::move(sidecar));

  AnnotateReport report;
  report.utterances = static_cast<int>(corpus->size());
  report.jobs = thread_count(options.jobs);
  PROSODIA_TRY(ordered_parallel(
      corpus->size(), report.jobs, static_cast<size_t>(report.jobs) * 16,
      [&](size_t i) { return annotator.annotate(i); },
      [&](size_t i, Annotated annotated) -> Status {
        if (options.stop_requested && options.stop_requested()) {
          return fail(ErrorCode::kInterrupted, "asked to stop after {} of {} utterances; {} is as it was", i,
                      corpus->size(), out.string());
        }
        report.audio_seconds += annotated.utterance.audio.seconds();
        if (!annotated.without_stress.empty()) ++report.without_stress[annotated.without_stress];
        PROSODIA_TRY(writer->append(annotated.utterance));
        if (options.on_progress) options.on_progress(static_cast<int>(i) + 1, report.utterances);
        return {};
      }));
  report.calibration = calibrate_corpus(writer->infos(), options.calibration);
  set_levels(writer->infos(), report.calibration);
  for (const UtteranceInfo& info : writer->infos()) {
    count_levels(info, report);
    count_words(info, report);
  }
  PROSODIA_TRY(writer->finish());
  report.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace prosodia
