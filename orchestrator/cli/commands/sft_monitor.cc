#include "orchestrator/cli/commands/sft_monitor.h"

#include <unistd.h>

#include <ctime>

#include "data/store/atomic_file.h"
#include "orchestrator/monitor/curves.h"
#include "orchestrator/monitor/event_file.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/progress.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEvalPrefix = "eval_";
constexpr double kPicturePeriodSeconds = 20;

std::map<std::string, double> metrics_of(const SftLog& log) {
  std::map<std::string, double> metrics = log.evaluation;
  metrics["epoch"] = log.epoch;
  if (log.num_stages > 1) metrics["stage"] = log.stage + 1;
  if (!log.has_training) return metrics;
  metrics["loss"] = log.loss;
  metrics["grad_norm"] = log.grad_norm;
  metrics["learning_rate"] = log.learning_rate;
  metrics["num_tokens"] = metrics["num_input_tokens_seen"] = static_cast<double>(log.num_input_tokens_seen);
  metrics["step_time"] = log.step_seconds;
  return metrics;
}

// transformers.integrations.rewrite_logs
std::map<std::string, double> with_prefixes(const std::map<std::string, double>& metrics) {
  std::map<std::string, double> tags;
  for (const auto& [name, value] : metrics)
    tags[name.starts_with(kEvalPrefix) ? "eval/" + name.substr(kEvalPrefix.size()) : "train/" + name] = value;
  return tags;
}

class SftMonitor final : public SftSink {
 public:
  SftMonitor(fs::path run_dir, std::string config_ini)
      : fs_(posix_file_system()), run_dir_(std::move(run_dir)), config_ini_(std::move(config_ini)) {}

  Status begin(int64_t first_step, int64_t max_steps) override {
    const auto step = static_cast<uint64_t>(first_step);
    PROSODIA_TRY(write_file_atomic(fs_, run_dir_ / "config.ini", config_ini_));
    PROSODIA_ASSIGN(metrics_, JsonlFile::open(fs_, run_dir_ / "metrics.jsonl", step));
    PROSODIA_ASSIGN(const auto earlier, read_metrics(fs_, run_dir_ / "metrics.jsonl"));
    for (const StepReport& report : earlier) history_.add(report);
    if (first_step > max_steps) return {};  // nothing will happen: no empty event file
    char host[256] = "localhost";
    (void)::gethostname(host, sizeof host - 1);
    PROSODIA_ASSIGN(events_, EventFileWriter::create(fs_, run_dir_,
                                                     {.host = host,
                                                      .process_id = static_cast<uint64_t>(::getpid()),
                                                      .wall_time = static_cast<double>(std::time(nullptr)),
                                                      .first_step = step}));
    return {};
  }

  Status on_log(const SftLog& log) override {
    StepReport report;
    report.step = static_cast<uint64_t>(log.step);
    report.total_steps = static_cast<uint64_t>(log.max_steps);
    report.wall_time = static_cast<double>(std::time(nullptr));
    report.metrics = metrics_of(log);
    history_.add(report);
    metrics_->add(metrics_line(report));
    PROSODIA_TRY(metrics_->flush());
    PROSODIA_TRY(events_->add_scalars(report.step, report.wall_time, with_prefixes(report.metrics)));
    if (report.wall_time - last_picture_ < kPicturePeriodSeconds) return {};
    last_picture_ = report.wall_time;
    return draw(RunState::kRunning);
  }

  Status sync() override {
    PROSODIA_TRY(metrics_->sync());
    return events_ ? events_->sync() : Status();
  }

  Status finish() override {
    PROSODIA_TRY(sync());
    return history_.last_step() > 0 ? draw(RunState::kEnded) : Status();
  }

 private:
  Status draw(RunState state) {
    const std::string title = fs::absolute(run_dir_ / "").parent_path().filename();
    PROSODIA_TRY(write_file_atomic(fs_, run_dir_ / "curves.svg", curves_svg(history_, title)));
    return write_file_atomic(fs_, run_dir_ / "report.html", report_html(history_, {}, title, state));
  }

  FileSystem& fs_;
  fs::path run_dir_;
  std::string config_ini_;
  std::unique_ptr<JsonlFile> metrics_;
  std::unique_ptr<EventFileWriter> events_;
  RunHistory history_;
  double last_picture_ = -1e18;
};

}  // namespace

std::unique_ptr<SftSink> make_sft_monitor(fs::path run_dir, std::string config_ini) {
  return std::make_unique<SftMonitor>(std::move(run_dir), std::move(config_ini));
}

std::string sft_progress_line(const SftLog& log, const std::string& who) {
  std::string line = fmt::format("{} {:>5}/{}", who, log.step, log.max_steps);
  if (log.num_stages > 1)
    line += fmt::format(" [{}]", log.stage_name.empty() ? std::to_string(log.stage + 1) : log.stage_name);
  if (log.has_training) {
    const double rate = log.step_seconds > 0 ? static_cast<double>(log.num_input_tokens) / log.step_seconds : 0;
    const double eta = log.step_seconds * static_cast<double>(log.max_steps - log.step);
    line += fmt::format(" loss {:.4f} grad_norm {:.3f} lr {:.2e} epoch {:.2f} {:.0f} tok/s ETA {}", log.loss,
                        log.grad_norm, log.learning_rate, log.epoch, rate, format_duration(eta));
  }
  if (log.evaluation.contains("eval_loss"))
    line += fmt::format(" | eval_loss {:.4f} token accuracy {:.3f}", log.evaluation.at("eval_loss"),
                        log.evaluation.at("eval_mean_token_accuracy"));
  return line;
}

}  // namespace prosodia::cli
