// prosodia data build
#include <fmt/core.h>
#include <unistd.h>

#include "data/builders/build.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/reasoning_writers.h"

namespace prosodia::cli {
namespace {

BuildOptions build_options(const Options& options) {
  const auto count = [&](const char* name) { return static_cast<int>(options.integer(name)); };
  BuildOptions build;
  build.seed = static_cast<uint64_t>(options.integer("seed"));
  build.prompt_style = options.text("prompt_style") == "paper" ? PromptStyle::kPaper : PromptStyle::kShort;
  const bool varied = options.text("grammar") == "auto" ? build.prompt_style == PromptStyle::kPaper
                                                        : options.text("grammar") == "varied";
  build.grammar = varied ? Grammar::kVaried : Grammar::kSmall;
  const std::string& balance = options.text("balance");
  build.balance = balance == "emotion" ? Balance::kEmotion : balance == "speaker" ? Balance::kSpeaker : Balance::kNone;
  build.prosody_rows = count("prosody_rows");
  build.prosody_eval_rows = count("prosody_eval_rows");
  build.stress_rows = count("stress_rows");
  build.comparative_rows = count("comparative_rows");
  build.comparative_eval_rows = count("comparative_eval_rows");
  build.coldstart_rows = count("coldstart_rows");
  build.rm_rows = count("rm_rows");
  build.rm_eval_rows = count("rm_eval_rows");
  build.cue_noise = options.real("cue_noise");
  build.cue_omission = options.real("cue_omission");
  build.emotion_noise = options.real("emotion_noise");
  build.jobs = count("jobs");
  build.dry_run = options.flag("dry_run");
  return build;
}

// One line a file, rewritten on a terminal; without one, only sets that take long are heard of.
std::function<void(std::string_view, int, int)> build_progress() {
  return [terminal = isatty(STDERR_FILENO), shown = std::string(), last = -1](std::string_view file, int rows,
                                                                              int total) mutable {
    const int percent = total > 0 ? static_cast<int>(100LL * rows / total) : 100;
    if (shown == file && percent == last) return;
    if (!terminal && (total < 2000 || percent % 25 != 0)) return;
    shown = file;
    last = percent;
    fmt::print(stderr, "{}{} {}/{} ({} %){}", terminal ? "\r" : "", file, rows, total, percent,
               terminal && rows < total ? "" : "\n");
  };
}

}  // namespace

Result<int> run_data_build(const Options& options, const CommandContext& context) {
  BuildOptions build = build_options(options);
  PROSODIA_ASSIGN(build.corpus, options.required("corpus"));
  PROSODIA_ASSIGN(build.output_dir, options.required("output_dir"));
  std::unique_ptr<ReasoningWriter> writer;
  if (!build.dry_run) {
    PROSODIA_ASSIGN(writer, open_reasoning_writer(options, context));
  }
  build.writer = writer.get();
  build.stop_requested = [&context] { return context.stop.load(); };
  build.on_progress = build_progress();
  PROSODIA_ASSIGN(const BuildReport report, build_datasets(build));
  for (const std::string& note : report.notes) fmt::print("{}\n", note);
  std::string files;
  for (const auto& [name, rows] : report.files) {
    files += fmt::format("{}{} {}{}", files.empty() ? "" : ", ", name, rows, files.empty() ? " rows" : "");
  }
  if (build.dry_run) {
    fmt::print("dry run, nothing written. {} would hold: {}\n", build.output_dir.string(), files);
    return 0;
  }
  fmt::print("wrote {}: {}\nNext: prosodia init --dataset … --model DIR, then prosodia sft\n",
             build.output_dir.string(), files);
  return 0;
}

}  // namespace prosodia::cli
