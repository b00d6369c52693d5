// prosodia data build
#include <fmt/core.h>

#include <memory>

#include "data/builders/build.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/reasoning_writers.h"
#include "orchestrator/monitor/progress_bar.h"

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

// A bar for each file.
std::function<void(std::string_view, int, int)> build_progress() {
  return [bar = std::shared_ptr<ProgressBar>(), shown = std::string()](std::string_view file, int rows,
                                                                       int total) mutable {
    if (bar == nullptr || shown != file) {
      bar.reset();  // the line before ends first
      bar = std::make_shared<ProgressBar>(std::string(file));
      shown = file;
    }
    bar->show(static_cast<size_t>(rows), static_cast<size_t>(total));
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
