// prosodia data synth | annotate | inspect
#include <fmt/core.h>

#include "data/card/dataset_card.h"
#include "data/corpus/annotate.h"
#include "data/corpus/corpus.h"
#include "data/corpus/inspect.h"
#include "data/corpus/synth.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/monitor/progress_bar.h"

namespace prosodia::cli {
namespace {

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
  ProgressBar bar("synthesising");
  synth.on_progress = [&bar](int done, int total) { bar.show(static_cast<size_t>(done), static_cast<size_t>(total)); };
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
  ProgressBar bar("annotating");
  annotate.on_progress = [&bar](int done, int total) {
    bar.show(static_cast<size_t>(done), static_cast<size_t>(total));
  };
  PROSODIA_ASSIGN(const AnnotateReport report, annotate_corpus(annotate));
  const std::string written = (annotate.out.empty() ? annotate.corpus : annotate.out).string();
  fmt::print("{}wrote {}. Next: prosodia data inspect --corpus {}\n", report.to_text(), written, written);
  return 0;
}

Result<int> run_data_inspect(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string path, options.required("corpus"));
  PROSODIA_ASSIGN(const auto corpus, CorpusReader::open(path));
  fmt::print("{}", inspect_text(*corpus));
  const std::string html = options.text("html");
  if (html.empty()) return 0;
  PROSODIA_TRY(write_dataset_card(*corpus, {.samples = static_cast<int>(options.integer("samples"))}, html));
  fmt::print("\nwrote {}, {:.1f} MB: open it in a browser\n", html,
             static_cast<double>(std::filesystem::file_size(html)) / 1e6);
  return 0;
}

}  // namespace prosodia::cli
