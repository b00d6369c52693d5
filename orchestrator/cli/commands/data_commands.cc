// prosodia data synth | annotate | inspect
#include <fmt/core.h>
#include <unistd.h>

#include <functional>

#include "data/corpus/annotate.h"
#include "data/corpus/corpus.h"
#include "data/corpus/inspect.h"
#include "data/corpus/synth.h"
#include "orchestrator/cli/commands/command.h"

namespace prosodia::cli {
namespace {

// "annotating 300/1200 (25 %)": redrawn on a terminal, a line a quarter in a log.
std::function<void(int, int)> progress_line(const char* verb) {
  const bool terminal = isatty(STDERR_FILENO);
  return [verb, terminal, shown = -1](int done, int total) mutable {
    const int percent = total > 0 ? 100 * done / total : 100;
    if (percent == shown || (!terminal && percent % 25 != 0)) return;
    shown = percent;
    fmt::print(stderr, "{}{} {}/{} ({} %){}", terminal ? "\r" : "", verb, done, total, percent,
               terminal && done < total ? "" : "\n");
  };
}

CalibrationScope calibration_scope(std::string_view name) {
  return name == "gender"   ? CalibrationScope::kGender
         : name == "corpus" ? CalibrationScope::kCorpus
                            : CalibrationScope::kSpeaker;
}

}  // namespace

Result<int> run_data_synth(const Options& options, const CommandContext& context) {
  PROSODIA_ASSIGN(const std::string out, options.required("out"));
  SynthOptions synth;
  synth.out = out;
  synth.utterances = static_cast<int>(options.integer("utterances"));
  synth.test_utterances = static_cast<int>(options.integer("test_utterances"));
  synth.stress_share = options.real("stress_share");
  synth.seed = static_cast<uint64_t>(options.integer("seed"));
  synth.jobs = static_cast<int>(options.integer("jobs"));
  synth.stop_requested = [&context] { return context.stop.load(); };
  synth.on_progress = progress_line("synthesising");
  PROSODIA_ASSIGN(const SynthReport report, synthesize_corpus(synth));
  fmt::print("{}\nwrote {}. Next: prosodia data inspect --corpus {}\n", report.to_text(), out, out);
  return 0;
}

Result<int> run_data_annotate(const Options& options, const CommandContext& context) {
  AnnotateOptions annotate;
  PROSODIA_ASSIGN(annotate.corpus, options.required("corpus"));
  annotate.out = options.text("out");
  annotate.word_times = options.text("word_times");
  annotate.language = options.text("language");
  annotate.calibration.scope = calibration_scope(options.text("calibration"));
  annotate.stress.min_prominence = static_cast<float>(options.real("min_prominence"));
  annotate.jobs = static_cast<int>(options.integer("jobs"));
  annotate.stop_requested = [&context] { return context.stop.load(); };
  annotate.on_progress = progress_line("annotating");
  PROSODIA_ASSIGN(const AnnotateReport report, annotate_corpus(annotate));
  const std::string written = (annotate.out.empty() ? annotate.corpus : annotate.out).string();
  fmt::print("{}wrote {}. Next: prosodia data inspect --corpus {}\n", report.to_text(), written, written);
  return 0;
}

Result<int> run_data_inspect(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string path, options.required("corpus"));
  PROSODIA_ASSIGN(const auto corpus, CorpusReader::open(path));
  fmt::print("{}", inspect_text(*corpus));
  return 0;
}

}  // namespace prosodia::cli
