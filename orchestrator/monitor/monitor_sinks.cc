#include "orchestrator/monitor/monitor_sinks.h"

#include <unistd.h>

#include <algorithm>
#include <deque>

#include "data/store/atomic_file.h"
#include "orchestrator/monitor/curves.h"
#include "orchestrator/monitor/effective_training.h"
#include "orchestrator/monitor/event_file.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/progress.h"
#include "orchestrator/monitor/run_history.h"

namespace prosodia {
namespace {

std::string host_name() {
  char name[256] = "localhost";
  (void)::gethostname(name, sizeof(name) - 1);
  return name;
}

class MonitorSinks final : public MetricsSink {
 public:
  MonitorSinks(FileSystem& fs, MonitorOptions options) : fs_(fs), options_(std::move(options)) {
    if (options_.run_name.empty())
      options_.run_name = std::filesystem::absolute(options_.run_dir / "").parent_path().filename();
    if (options_.host.empty()) options_.host = host_name();
    if (options_.progress != nullptr) {
      const int columns =
          options_.progress_columns > 0 ? options_.progress_columns : terminal_columns(options_.progress);
      progress_.emplace(options_.progress, columns);
    }
  }

  Status start() {
    PROSODIA_ASSIGN(metrics_, JsonlFile::open(fs_, options_.run_dir / "metrics.jsonl", options_.first_step));
    PROSODIA_ASSIGN(completions_, JsonlFile::open(fs_, options_.run_dir / "completions.jsonl", options_.first_step));
    PROSODIA_ASSIGN(const auto earlier, read_metrics(fs_, options_.run_dir / "metrics.jsonl"));
    for (const StepReport& report : earlier) {
      history_.add(report);
      effective_training_.add(report);
      if (options_.on_report) options_.on_report(report);
    }
    PROSODIA_ASSIGN(auto newest,
                    read_last_completions(fs_, options_.run_dir / "completions.jsonl", options_.report_samples));
    newest_.assign(std::make_move_iterator(newest.begin()), std::make_move_iterator(newest.end()));
    if (!options_.tensorboard) return {};
    const EventFileOptions event_options{.host = options_.host,
                                         .process_id = static_cast<uint64_t>(::getpid()),
                                         .wall_time = options_.start_time,
                                         .first_step = options_.first_step};
    PROSODIA_ASSIGN(events_, EventFileWriter::create(fs_, options_.run_dir, event_options));
    return {};
  }

  Status on_step(StepReport report) override {
    effective_training_.add(report);
    report.metrics[metric::kEffectiveTraining] = effective_training_.ratio();
    if (options_.on_report) options_.on_report(report);
    if (progress_) progress_->on_step(report);  // first: a full disk must not take the run's face away
    history_.add(report);
    keep_samples(report);
    metrics_->add(metrics_line(report));
    PROSODIA_TRY(metrics_->flush());
    PROSODIA_TRY(completions_->flush());
    PROSODIA_TRY(write_events(report));
    if (report.wall_time - last_picture_ < options_.picture_period_s) return {};
    last_picture_ = report.wall_time;
    return draw(RunState::kRunning);
  }

  Status sync() override {
    PROSODIA_TRY(metrics_->sync());
    PROSODIA_TRY(completions_->sync());
    return events_ ? events_->sync() : Status();
  }

  Status finish() override {
    PROSODIA_TRY(sync());
    return history_.last_step() > 0 ? draw(RunState::kEnded) : Status();
  }

 private:
  void keep_samples(const StepReport& report) {
    const size_t count = std::min(report.samples.size(), options_.log_completions);
    for (size_t i = 0; i < count; ++i) {
      completions_->add(completion_line({report.step, report.samples[i]}));
      newest_.push_back({report.step, report.samples[i]});
      if (newest_.size() > options_.report_samples) newest_.pop_front();
    }
  }

  Status write_events(const StepReport& report) {
    if (events_ == nullptr) return {};
    PROSODIA_TRY(events_->add_scalars(report.step, report.wall_time, shown_values(report, options_.metric_names)));
    if (report.samples.empty()) return {};
    PROSODIA_TRY(write_distributions(report));
    PROSODIA_TRY(write_clip(report));
    const SampledResponse& shown = report.samples.front();
    const std::string text = fmt::format(
        "**{}** (label: {}, reward {:.2f}, format {:.0f}, accuracy {:.0f}, reasoning {:.2f})\n\n```\n{}\n```",
        shown.prompt, shown.solution, shown.total, shown.format, shown.accuracy, shown.reasoning, shown.response);
    return events_->add_text(report.step, report.wall_time, "completions/sample", text);
  }

  Status write_distributions(const StepReport& report) {
    std::vector<double> rewards, advantages, lengths;
    for (const SampledResponse& response : report.samples) {
      if (response.present) rewards.push_back(response.total);
      if (response.present) advantages.push_back(response.advantage);
      lengths.push_back(static_cast<double>(response.num_tokens));
    }
    PROSODIA_TRY(events_->add_histogram(report.step, report.wall_time, "distribution/reward", rewards));
    PROSODIA_TRY(events_->add_histogram(report.step, report.wall_time, "distribution/advantage", advantages));
    return events_->add_histogram(report.step, report.wall_time, "distribution/completion_length", lengths);
  }

  // The clip of the response that is shown as text.
  Status write_clip(const StepReport& report) {
    const std::string& reference = report.samples.front().audio;
    if (!options_.load_clip || options_.audio_period_steps == 0 || reference.empty() ||
        (report.step - 1) % options_.audio_period_steps != 0)
      return {};
    auto clip = options_.load_clip(reference.substr(0, reference.find(' ')));
    if (!clip) return {};
    const size_t longest = kLoggedClipSeconds * kLoggedClipRateHz;
    if (clip->size() > longest) clip->resize(longest);
    return events_->add_audio(report.step, report.wall_time, "completions/sample_audio", *clip, kLoggedClipRateHz);
  }

  Status draw(RunState state) {
    const std::vector<LoggedResponse> newest(newest_.begin(), newest_.end());
    PROSODIA_TRY(write_file_atomic(fs_, options_.run_dir / "curves.svg", curves_svg(history_, options_.run_name)));
    return write_file_atomic(fs_, options_.run_dir / "report.html",
                             report_html(history_, newest, options_.run_name, state));
  }

  FileSystem& fs_;
  MonitorOptions options_;
  std::optional<ProgressPrinter> progress_;
  std::unique_ptr<JsonlFile> metrics_, completions_;
  std::unique_ptr<EventFileWriter> events_;  // null: switched off
  RunHistory history_;
  EffectiveTraining effective_training_;
  std::deque<LoggedResponse> newest_;
  double last_picture_ = -1e18;
};

}  // namespace

Result<std::unique_ptr<MetricsSink>> open_monitor(FileSystem& fs, MonitorOptions options) {
  auto sinks = std::make_unique<MonitorSinks>(fs, std::move(options));
  PROSODIA_TRY(sinks->start());
  return sinks;
}

}  // namespace prosodia
