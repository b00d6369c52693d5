// prosodia eval: greedy and sampled responses over a labelled set; accuracy, recall, F1, confusion, reasoning criteria
// and faithfulness with intervals; JSON, HTML, a table on the terminal, and a paired comparison with an earlier eval.
#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "data/base/json.h"
#include "data/corpus/dataset.h"
#include "data/prosody/levels_json.h"
#include "data/store/atomic_file.h"
#include "data/store/fs.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/model_options.h"
#include "reward/acoustic_scorer.h"
#include "reward/evaluation.h"
#include "reward/evaluation_report.h"
#include "workers/rollout/generate.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Decoding {
  std::string name;  // "greedy" or "sampled"
  bool greedy;
};

Status write_text(const fs::path& path, const std::string& text) {
  return write_file_atomic(posix_file_system(), path, std::as_bytes(std::span(text.data(), text.size())));
}

json to_json(const EvalRecord& record, const std::string& decoding, const std::string& response) {
  json row = {{"id", record.id},
              {"decoding", decoding},
              {"label", record.label},
              {"prediction", record.prediction},
              {"format", record.format},
              {"checkable_claims", record.checkable_claims},
              {"true_claims", record.true_claims},
              {"measured_attributes", record.measured_attributes},
              {"recalled_attributes", record.recalled_attributes},
              {"response", response}};
  if (record.criteria) row["criteria"] = *record.criteria;
  return row;
}

EvalRecord record_from_json(const json& row) {
  EvalRecord record;
  record.id = row.at("id");
  record.label = row.at("label");
  record.prediction = row.at("prediction");
  record.format = row.at("format");
  record.checkable_claims = row.at("checkable_claims");
  record.true_claims = row.at("true_claims");
  record.measured_attributes = row.at("measured_attributes");
  record.recalled_attributes = row.at("recalled_attributes");
  if (row.contains("criteria")) record.criteria = row.at("criteria").get<Criteria>();
  return record;
}

// The records of an earlier eval, by decoding. `path` is its folder or its eval.json.
Result<std::map<std::string, std::vector<EvalRecord>>> read_records(fs::path path) {
  if (!fs::is_directory(path)) path = path.parent_path();
  path /= "records.jsonl";
  std::ifstream stream(path);
  if (!stream)
    return fail(ErrorCode::kInvalidInput, "--baseline: {} cannot be read; give the folder of an earlier eval",
                path.string());
  std::map<std::string, std::vector<EvalRecord>> records;
  std::string line;
  for (int64_t number = 1; std::getline(stream, line); ++number) {
    try {
      const json row = json::parse(line);
      records[row.at("decoding")].push_back(record_from_json(row));
    } catch (const json::exception& error) {
      return fail(ErrorCode::kInvalidInput, "{}:{}: {}", path.string(), number, error.what());
    }
  }
  return records;
}

Result<EvalRecord> judge(const Sample& sample, size_t index, const std::string& response, ReasoningScorer& scorer) {
  std::optional<ProsodyLevels> levels;
  if (const auto found = sample.row.find("prosody"); found != sample.row.end()) {
    auto parsed = levels_from_json(*found);
    if (!parsed) return wrap(parsed.error(), sample.origin);
    levels = *parsed;
  }
  const std::vector<std::string> responses = {response};
  const auto scores = scorer.score({.row = sample.row, .responses = responses}, {});
  const auto found_id = sample.row.find("id");
  const std::string id = found_id == sample.row.end() ? fmt::format("row-{}", index)
                         : found_id->is_string()      ? found_id->get<std::string>()
                                                      : found_id->dump();
  return make_eval_record(id, response, sample.solution, levels ? &*levels : nullptr, &scores.front());
}

// Responses of the whole set under one decoding, judged.
Result<std::vector<EvalRecord>> run_decoding(const Options& options, const LoadedModel& loaded,
                                             const std::vector<Sample>& samples, const Decoding& decoding,
                                             const std::atomic<bool>& stop, std::string& rows) {
  InferOptions infer_options;
  infer_options.sampling = sampling_params(options, decoding.greedy);
  infer_options.engine.max_rows = static_cast<int>(options.integer("max_rows"));
  infer_options.seed = static_cast<uint64_t>(options.integer("seed"));
  infer_options.stop = &stop;
  AcousticScorer scorer;
  std::vector<EvalRecord> records;
  const auto collect = [&](size_t index, json row) -> Status {
    const std::string response = row.at("completions").at(0).at("text");
    PROSODIA_ASSIGN(EvalRecord record, judge(samples[index], index, response, scorer));
    rows += dump_line(to_json(record, decoding.name, response)) + "\n";
    records.push_back(std::move(record));
    return {};
  };
  PROSODIA_TRY(infer(*loaded.model, *loaded.processor, samples, infer_options, collect));
  return records;
}

std::string interval(const Estimate& estimate) {
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", estimate.value, estimate.low, estimate.high);
}

// Two or three lines for the end of a log: what most people want to know.
std::string headline(const std::string& decoding, const EvalReport& report, const PairedReport* paired) {
  std::string text = fmt::format(
      "{:<8} accuracy {}  recall (UAR) {}\n{:<9}format {:.3f}  reasoning {:.2f} of 5  faithfulness: precision {}, "
      "recall {}\n",
      decoding, interval(report.accuracy), interval(report.unweighted_average_recall), "", report.format_rate.value,
      report.criteria_mean.value, interval(report.faithfulness_precision), interval(report.faithfulness_recall));
  if (paired != nullptr) {
    text += fmt::format("{:<9}change, paired: accuracy {:+.3f} [{:+.3f}, {:+.3f}], p = {:.3f}\n", "",
                        paired->accuracy.value, paired->accuracy.low, paired->accuracy.high, paired->accuracy.p_value);
  }
  return text;
}

Status require_labels(const std::vector<Sample>& samples) {
  for (const Sample& sample : samples) {
    if (sample.solution.empty()) {
      return fail(ErrorCode::kInvalidInput, "{}: no \"solution\"; eval needs the right answer in every row",
                  sample.origin);
    }
  }
  return {};
}

}  // namespace

Result<int> run_eval(const Options& options, const CommandContext& context) {
  PROSODIA_ASSIGN(const std::string dataset, options.required("dataset"));
  PROSODIA_ASSIGN(const fs::path output_dir, options.required("output_dir"));
  configure_torch(options);
  std::map<std::string, std::vector<EvalRecord>> baseline;
  if (!options.text("baseline").empty()) {
    PROSODIA_ASSIGN(baseline, read_records(options.text("baseline")));
  }
  PROSODIA_ASSIGN(std::vector<Sample> samples, read_dataset(dataset));
  PROSODIA_TRY(require_labels(samples));
  if (const auto limit = static_cast<size_t>(options.integer("max_samples")); limit > 0 && limit < samples.size())
    samples.resize(limit);
  PROSODIA_ASSIGN(const LoadedModel loaded, open_model(options));
  PROSODIA_TRY(posix_file_system().create_dirs(output_dir));

  EvalOptions eval_options;
  eval_options.bootstrap_samples = static_cast<int>(options.integer("bootstrap_samples"));
  eval_options.seed = static_cast<uint64_t>(options.integer("seed"));
  json summary = {{"model", options.text("model")}, {"dataset", dataset}, {"records", samples.size()}};
  std::string rows, summary_text;
  for (const Decoding& decoding : {Decoding{"greedy", true}, Decoding{"sampled", false}}) {
    PROSODIA_ASSIGN(const auto records, run_decoding(options, loaded, samples, decoding, context.stop, rows));
    PROSODIA_ASSIGN(const EvalReport report, evaluate(records, eval_options));
    const std::string how = decoding.greedy ? "greedy"
                                            : fmt::format("sampled at temperature {}, seed {}",
                                                          options.real("temperature"), options.integer("seed"));
    fmt::print("{} ({} rows of {}, {})\n{}\n", options.text("model"), records.size(), dataset, how, to_text(report));
    summary[decoding.name] = to_json(report);
    PROSODIA_TRY(write_text(
        output_dir / (decoding.name + ".html"),
        to_html(report, {.title = "Evaluation", .model = options.text("model"), .dataset = dataset, .decoding = how})));
    std::optional<PairedReport> paired;
    if (const auto earlier = baseline.find(decoding.name); earlier != baseline.end()) {
      PROSODIA_ASSIGN(paired, compare_runs(earlier->second, records, eval_options));
      fmt::print("against {} ({}), paired by row:\n{}\n", options.text("baseline"), decoding.name, to_text(*paired));
      summary[decoding.name]["paired"] = to_json(*paired);
    }
    summary_text += headline(decoding.name, report, paired ? &*paired : nullptr);
  }
  PROSODIA_TRY(write_text(output_dir / "records.jsonl", rows));
  PROSODIA_TRY(write_text(output_dir / "summary.txt", summary_text));
  PROSODIA_TRY(write_text(output_dir / "eval.json", summary.dump(1) + "\n"));
  fmt::print("wrote {}/: eval.json, summary.txt, greedy.html, sampled.html, records.jsonl\n", output_dir.string());
  return 0;
}

}  // namespace prosodia::cli
