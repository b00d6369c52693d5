// prosodia train-rm: the reasoning reward model, by supervised fine-tuning on rows with prescribed grades, and how well
// it agrees with grades it has not seen.
#include <fmt/core.h>

#include "data/base/json.h"
#include "data/corpus/audio_store.h"
#include "data/store/atomic_file.h"
#include "data/store/fs.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/cli/commands/run_config.h"
#include "orchestrator/cli/commands/scorer_options.h"
#include "orchestrator/cli/commands/sft_command.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/progress_bar.h"
#include "reward/rm_report_text.h"
#include "workers/learner/collective.h"
#include "workers/model/model.h"
#include "workers/reward/rm_evaluation.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

Result<std::vector<Sample>> rows_of(const std::vector<std::string>& files) {
  std::vector<Sample> rows;
  for (const std::string& file : files) {
    PROSODIA_ASSIGN(std::vector<Sample> more, read_dataset(file));
    std::ranges::move(more, std::back_inserter(rows));
  }
  return rows;
}

class TrainRm {
 public:
  TrainRm(const Options& options, const CommandContext& context) : options_(options), context_(context) {}

  // Reads and checks all rows before a model is loaded.
  Status read(const SftOptions& sft) {
    std::vector<Sample> rows;
    DigestBuilder digest;
    for (const SftDataset& dataset : sft.datasets) {
      PROSODIA_ASSIGN(HashedDataset read, read_hashed_dataset(dataset.path));
      digest.add(read.digest);
      std::ranges::move(read.samples, std::back_inserter(rows));
    }
    card_.dataset_digest = digest.finish().hex();
    PROSODIA_ASSIGN(card_.prompt_style, check_rm_rows(rows));
    PROSODIA_TRY(check_audio_files(rows));
    card_.loss = options_.text("rm_loss");
    return read_eval_rows();
  }

  Status read_eval_rows() {
    PROSODIA_ASSIGN(eval_rows_, rows_of(options_.list("eval_dataset")));
    if (eval_rows_.empty()) return {};
    if (const auto limit = static_cast<size_t>(options_.integer("max_samples")); limit > 0 && limit < eval_rows_.size())
      eval_rows_.resize(limit);
    PROSODIA_TRY(check_rm_rows(eval_rows_));
    return check_audio_files(eval_rows_);
  }

  Status prepare(SftOptions& sft, Collective& collective) {
    PROSODIA_TRY(read(sft));
    PROSODIA_ASSIGN(const auto processor, Processor::load(sft.model_dir, std::make_shared<AudioStore>()));
    PROSODIA_ASSIGN(const AnswerSlots slots, AnswerSlots::find(*processor));
    sft.targets = card_.loss;
    if (card_.loss == "digits") {
      sft.select_targets = [slots](const Sample& row, EncodedPrompt& conversation) {
        return keep_digit_targets(slots, row.origin, conversation);
      };
    }
    sft.eval_steps = eval_rows_.empty() ? 0 : options_.integer("eval_steps");
    sft.on_eval = [this, &sft, &collective](int64_t step, const Model& model, const Processor& processor) -> Status {
      PROSODIA_ASSIGN(const RmReport report, evaluate(model, processor, collective, /*bootstrap_samples=*/0));
      if (collective.rank() != 0) return {};
      return log_evaluation(sft.output_dir, step, report);
    };
    return {};
  }

  Status finish(const SftOptions& sft, const SftReport& trained, Collective& collective) {
    card_.steps = trained.steps;
    Status written;
    if (collective.rank() == 0) written = write_rm_card(sft.output_dir, card_);
    PROSODIA_TRY(collective.agree(written));
    if (eval_rows_.empty()) return {};
    return final_report(sft.output_dir, model_options(options_), sft.output_dir, collective);
  }

  // Of the model in `model_dir`, into `output_dir`.
  Status final_report(const fs::path& model_dir, const ModelOptions& how, const fs::path& output_dir,
                      Collective& collective) {
    ModelOptions as_written = how;
    if (is_adapter_dir(model_dir)) as_written.adapter_dir.clear();
    PROSODIA_ASSIGN(const LoadedModel loaded, open_model(model_dir, as_written));
    PROSODIA_ASSIGN(const RmReport report, evaluate(*loaded.model, *loaded.processor, collective,
                                                    static_cast<int>(options_.integer("bootstrap_samples"))));
    Status written;
    if (collective.rank() == 0) written = write_report(report, model_dir, output_dir);
    return collective.agree(written);
  }

 private:
  Result<RmReport> evaluate(const Model& model, const Processor& processor, Collective& collective,
                            int bootstrap_samples) {
    PROSODIA_ASSIGN(AnswerSlots slots, AnswerSlots::find(processor));
    RmGrader grader(model, std::move(slots), rm_grader_options(options_));
    ProgressBar bar("grading unseen rows");
    RmShare share{.rank = collective.rank(), .size = collective.size()};
    share.sum = [&](std::span<double> values) { return collective.all_reduce_sum(values); };
    if (collective.rank() == 0) share.on_progress = [&bar](size_t rows, size_t total) { bar.show(rows, total); };
    PROSODIA_ASSIGN(const auto records,
                    grade_rm_rows(grader, processor, eval_rows_, share, [this] { return context_.stop.load(); }));
    return report_rm(records,
                     {.bootstrap_samples = bootstrap_samples, .seed = static_cast<uint64_t>(options_.integer("seed"))});
  }

  static Status log_evaluation(const fs::path& output_dir, int64_t step, const RmReport& report) {
    std::string line = fmt::format("train-rm eval at step {}: Spearman", step);
    for (const CriterionAgreement& criterion : report.criteria)
      line += fmt::format(" {:.2f}", criterion.spearman.value);
    fmt::print("{}, mean {:.2f}; unparsable {:.3f}\n", line, report.mean.spearman.value, report.unparsable.value);
    std::fflush(stdout);
    ordered_json row = {{"step", step}};
    row.update(ordered_json(to_json(report)));
    // Opening cuts what an earlier life wrote of this step or later ones: after a restart they are evaluated again.
    PROSODIA_ASSIGN(const auto file,
                    JsonlFile::open(posix_file_system(), output_dir / "rm_eval.jsonl", static_cast<uint64_t>(step)));
    file->add(row);
    PROSODIA_TRY(file->flush());
    return file->sync();
  }

  Status write_report(const RmReport& report, const fs::path& model_dir, const fs::path& output_dir) const {
    json object = to_json(report);
    object["model"] = model_dir.string();
    object["eval_dataset"] = options_.list("eval_dataset");
    const std::string text = to_text(report);
    fmt::print("{}", text);
    const EvalPageInfo page{.title = "Reward model",
                            .model = model_dir.string(),
                            .dataset = fmt::format("{}", fmt::join(options_.list("eval_dataset"), ", ")),
                            .decoding = {}};
    FileSystem& files = posix_file_system();
    PROSODIA_TRY(files.create_dirs(output_dir));
    PROSODIA_TRY(write_file_atomic(files, output_dir / "rm_report.json", as_byte_span(object.dump(1) + "\n")));
    PROSODIA_TRY(write_file_atomic(files, output_dir / "rm_report.txt", as_byte_span(text)));
    PROSODIA_TRY(write_file_atomic(files, output_dir / "rm_report.html", as_byte_span(to_html(report, page))));
    fmt::print("wrote {}/rm_report.json, .txt, .html\n", output_dir.string());
    return {};
  }

  const Options& options_;
  const CommandContext& context_;
  RmCard card_;
  std::vector<Sample> eval_rows_;
};

// No training: the report for a reward model as it is.
Result<int> evaluate_only(const Options& options, const CommandContext& context) {
  PROSODIA_ASSIGN(const fs::path model_dir, options.required("model"));
  PROSODIA_ASSIGN(const fs::path output_dir, options.required("output_dir"));
  PROSODIA_TRY(options.required("eval_dataset"));
  TrainRm run(options, context);
  PROSODIA_TRY(run.read_eval_rows());
  configure_torch(options);
  PROSODIA_ASSIGN(const auto collective, make_collective());
  PROSODIA_TRY(run.final_report(model_dir, model_options(options), output_dir, *collective));
  return 0;
}

}  // namespace

Result<int> run_train_rm(const Options& options, const CommandContext& context) {
  if (options.flag("eval_only")) return evaluate_only(options, context);
  TrainRm run(options, context);
  SupervisedCommand command{.name = "train-rm", .bit = kTrainRm};
  command.prepare = [&](SftOptions& sft, Collective& collective) {
    return collective.agree(run.prepare(sft, collective));
  };
  command.finish = [&](const SftOptions& sft, const SftReport& report, Collective& collective) {
    return run.finish(sft, report, collective);
  };
  return run_supervised(options, context, command);
}

}  // namespace prosodia::cli
