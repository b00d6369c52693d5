// prosodia eval: greedy and sampled responses over one or several labelled sets; accuracy, recall, F1, confusion,
// reasoning criteria, faithfulness and the prosody test with intervals; JSON, HTML and text; goes on where it was
// interrupted. With --compare: finished evals side by side.
#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "data/base/digest.h"
#include "data/store/atomic_file.h"
#include "data/store/fs.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/eval_compare.h"
#include "orchestrator/cli/commands/eval_records.h"
#include "orchestrator/cli/commands/eval_run.h"
#include "orchestrator/cli/commands/eval_sets.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/cli/commands/run_config.h"
#include "orchestrator/cli/commands/scorer_options.h"
#include "orchestrator/monitor/progress_bar.h"
#include "reward/evaluation_sets_report.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Decoding {
  std::string name;  // "greedy" or "sampled"
  bool greedy;
  std::string described;
};

std::vector<Decoding> decodings_of(const Options& options) {
  const std::string& wanted = options.text("decoding");
  std::vector<Decoding> decodings;
  if (wanted != "sampled") decodings.push_back({"greedy", true, "greedy"});
  if (wanted != "greedy")
    decodings.push_back(
        {"sampled", false,
         fmt::format("sampled at temperature {}, seed {}", options.real("temperature"), options.integer("seed"))});
  return decodings;
}

// What the responses and their grades depend on, under the options' names.
Result<json> identity_of(const Options& options, const std::vector<EvalSet>& sets) {
  json identity = json::object();
  PROSODIA_ASSIGN(const Digest model, digest_of_models({options.text("model"), options.text("adapter")}));
  identity["model"] = model.hex();
  for (const EvalSet& set : sets)
    identity["dataset"].push_back({{"name", set.name}, {"digest", set.digest.hex()}, {"rows", set.samples.size()}});
  for (const char* name : {"temperature", "top_p"}) identity[name] = options.real(name);
  for (const char* name : {"top_k", "max_completion_length", "seed"}) identity[name] = options.integer(name);
  for (const char* name : {"dtype", "reasoning_scorer"}) identity[name] = options.text(name);
  if (!options.text("reward_model").empty()) {
    PROSODIA_ASSIGN(const Digest reward_model, digest_of_reward_model(options));
    identity["reward_model"] = reward_model.hex();
    identity["rm_score"] = options.text("rm_score");
    identity["rm_min_digit_mass"] = options.real("rm_min_digit_mass");
  }
  return identity;
}

struct Evaluation {
  const Options& options;
  const CommandContext& context;
  const std::vector<EvalSet>& sets;
  const LoadedModel& loaded;
  ReasoningScorer* scorer;  // null: none
  int num_engines;
  EvalLog& log;
  ProgressBar& bar;
  size_t total;  // rows of all sets and decodings
};

// The rows of a set that are not there yet.
Status respond_and_judge(const Evaluation& run, const Decoding& decoding, const EvalSet& set) {
  EvalWork work{.model = run.loaded, .num_engines = run.num_engines};
  work.infer.sampling = sampling_params(run.options, decoding.greedy);
  work.infer.engine.max_rows = static_cast<int>(run.options.integer("max_rows"));
  work.infer.seed = static_cast<uint64_t>(run.options.integer("seed"));
  work.infer.stop = &run.context.stop;
  work.infer.first_row = run.log.done(decoding.name, set.name).size();
  if (work.infer.first_row >= set.samples.size()) return {};
  run.bar.rename(fmt::format("eval {}, {}", decoding.name, set.name));
  return respond(work, set.samples, [&](size_t row, const std::string& response) -> Status {
    PROSODIA_ASSIGN(EvalRecord record, judge(set, row, response, run.scorer));
    PROSODIA_TRY(run.log.add(decoding.name, set.name, std::move(record), response));
    run.bar.show(run.log.num_done(), run.total);
    return {};
  });
}

std::string interval(const Estimate& estimate) {
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", estimate.value, estimate.low, estimate.high);
}

// Two or three lines for the end of a log: what most people want to know.
std::string headline(const std::string& decoding, const EvalSummary& summary) {
  std::string text;
  const EvalReport* emotion = summary.emotion_average ? &*summary.emotion_average : nullptr;
  const EvalReport* prosody = summary.prosody_average ? &*summary.prosody_average : nullptr;
  for (const EvalSetReport& set : summary.sets) {
    if (!emotion && set.emotion) emotion = &*set.emotion;
    if (!prosody && set.prosody) prosody = &*set.prosody;
  }
  if (emotion)
    text += fmt::format(
        "{:<8} accuracy {}  recall (UAR) {}\n{:<9}format {:.3f}  reasoning {:.2f} of 5  faithfulness: precision {}, "
        "recall {}\n",
        decoding, interval(emotion->accuracy), interval(emotion->unweighted_average_recall), "",
        emotion->format_rate.value, emotion->criteria_mean.value, interval(emotion->faithfulness_precision),
        interval(emotion->faithfulness_recall));
  if (prosody)
    text += fmt::format("{:<8} prosody test {}, mean over attributes {}\n", emotion ? "" : decoding,
                        interval(prosody->accuracy), interval(prosody->unweighted_average_recall));
  return text;
}

std::string change_line(const Comparison& comparison) {
  for (const SetComparison& set : comparison.sets)
    for (const ComparedMetric& metric : set.metrics)
      if (metric.name == "accuracy")
        return fmt::format("{:<9}change, paired: accuracy {:+.3f} [{:+.3f}, {:+.3f}], p = {:.3f}\n", "",
                           metric.differences[0].value, metric.differences[0].low, metric.differences[0].high,
                           metric.differences[0].p_value);
  return {};
}

std::string names_of(const std::vector<EvalSet>& sets) {
  std::vector<std::string> names;
  for (const EvalSet& set : sets) names.push_back(set.path.string());
  return fmt::format("{}", fmt::join(names, ", "));
}

// Reports of everything in the log; the comparison with --baseline.
Status report(const Evaluation& run, const std::optional<EvalFolder>& baseline, const fs::path& output_dir) {
  FileSystem& files = posix_file_system();
  const std::string& model = run.options.text("model");
  const std::string scorer = run.options.text("reasoning_scorer");
  json all = {{"model", model}, {"dataset", run.options.list("dataset")}, {"reasoning_scorer", scorer}};
  std::string summary_text, written;
  std::vector<std::pair<std::string, std::string>> headlines;  // by decoding
  EvalFolder own{.name = "this eval", .records = {}};
  for (const Decoding& decoding : decodings_of(run.options)) {
    std::vector<EvalSetRecords> sets;
    for (const EvalSet& set : run.sets) sets.push_back({set.name, run.log.done(decoding.name, set.name)});
    PROSODIA_ASSIGN(const EvalSummary summary, evaluate_sets(sets, eval_options(run.options)));
    fmt::print("\n{} ({}, {})\n{}", model, names_of(run.sets), decoding.described, to_text(summary, scorer));
    all[decoding.name] = to_json(summary);
    const EvalPageInfo info{
        .title = "Evaluation", .model = model, .dataset = names_of(run.sets), .decoding = decoding.described};
    PROSODIA_TRY(write_file_atomic(files, output_dir / (decoding.name + ".html"), to_html(summary, info, scorer)));
    written += decoding.name + ".html, ";
    headlines.emplace_back(decoding.name, headline(decoding.name, summary));
    own.records.emplace_back(decoding.name, std::move(sets));
  }
  std::vector<std::pair<std::string, Comparison>> compared;  // of the decodings that the baseline has, too
  if (baseline) {
    PROSODIA_ASSIGN(compared, compare_folders({*baseline, own}, eval_options(run.options)));
  }
  for (const auto& [decoding, line] : headlines) {
    summary_text += line;
    for (const auto& [name, comparison] : compared) {
      if (name != decoding) continue;
      summary_text += change_line(comparison);
      all[decoding]["paired"] = to_json(comparison);
    }
  }
  if (baseline) {
    fmt::print("against {}, paired by row\n", run.options.text("baseline"));
    PROSODIA_TRY(write_comparison(compared, output_dir));
    written += "comparison.html, ";
  }
  PROSODIA_TRY(write_file_atomic(files, output_dir / "summary.txt", summary_text));
  PROSODIA_TRY(write_file_atomic(files, output_dir / "eval.json", all.dump(1) + "\n"));
  fmt::print("{}wrote {}/: {}eval.json, summary.txt, records.jsonl\n", summary_text, output_dir.string(), written);
  return {};
}

Result<int> run_comparison(const Options& options, const fs::path& output_dir) {
  for (const char* other : {"model", "dataset", "baseline"})
    if (options.given(other))
      return fail(ErrorCode::kUsage, "--compare reads finished evals; --{} says nothing beside it", other);
  const std::vector<std::string> paths = options.list("compare");
  if (paths.size() < 2) return fail(ErrorCode::kUsage, "--compare takes at least two folders of finished evals");
  PROSODIA_ASSIGN(const auto folders, read_eval_folders(paths));
  PROSODIA_ASSIGN(const auto compared, compare_folders(folders, eval_options(options)));
  PROSODIA_TRY(write_comparison(compared, output_dir));
  fmt::print("wrote {}/: comparison.html, comparison.json, comparison.txt\n", output_dir.string());
  return 0;
}

}  // namespace

Result<int> run_eval(const Options& given, const CommandContext& context) {
  Options options = given;
  adopt_reward_model(options);
  PROSODIA_ASSIGN(const fs::path output_dir, options.required("output_dir"));
  if (!options.text("compare").empty()) return run_comparison(options, output_dir);
  PROSODIA_TRY(options.required("model"));
  configure_torch(options);
  std::optional<EvalFolder> baseline;
  if (!options.text("baseline").empty()) {
    PROSODIA_ASSIGN(baseline, read_eval_folder(options.text("baseline")));
  }
  PROSODIA_ASSIGN(const std::vector<EvalSet> sets, read_eval_sets(options));
  PROSODIA_TRY(check_reasoning_scorer(options));
  PROSODIA_ASSIGN(const json identity, identity_of(options, sets));
  PROSODIA_ASSIGN(const auto log, EvalLog::open(output_dir, identity));
  std::unique_ptr<ReasoningScorer> scorer;
  if (options.text("reasoning_scorer") != "none") {
    PROSODIA_ASSIGN(scorer, make_reasoning_scorer(options));
  }
  PROSODIA_ASSIGN(const LoadedModel loaded, open_model(options));

  const auto decodings = decodings_of(options);
  size_t total = 0;
  for (const EvalSet& set : sets) total += set.samples.size() * decodings.size();
  if (log->num_done() > 0) fmt::print(stderr, "eval: {} of {} rows are there already\n", log->num_done(), total);
  ProgressBar bar("eval");
  bar.show(log->num_done(), total);
  const Evaluation run{options, context,      sets,
                       loaded,  scorer.get(), choose_engines(loaded, static_cast<int>(options.integer("num_threads"))),
                       *log,    bar,          total};
  for (const Decoding& decoding : decodings)
    for (const EvalSet& set : sets) {
      const Status status = respond_and_judge(run, decoding, set);
      if (status) continue;
      PROSODIA_TRY(log->sync());
      if (status.error().code == ErrorCode::kInterrupted)
        return fail(ErrorCode::kInterrupted, "stopped after {} of {} rows; saved. Next: the same command goes on",
                    log->num_done(), total);
      return tl::unexpected(status.error());
    }
  PROSODIA_TRY(log->sync());
  PROSODIA_TRY(report(run, baseline, output_dir));
  return 0;
}

}  // namespace prosodia::cli
