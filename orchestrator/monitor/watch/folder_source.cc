// A run folder as a source: metrics.jsonl, completions.jsonl, status.json, and who holds LOCK.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "data/store/lock_probe.h"
#include "orchestrator/monitor/watch/file_tail.h"
#include "orchestrator/monitor/watch/run_source.h"

namespace prosodia::watch {
namespace {

constexpr uint64_t kMaxMetricsBytes = 64 << 20;  // some 20,000 steps
constexpr uint64_t kMaxResponseBytes = 1 << 20;
constexpr size_t kMaxResponses = 200;
constexpr size_t kMaxStatusBytes = 8 << 20;

class FolderSource final : public RunSource {
 public:
  explicit FolderSource(std::filesystem::path run)
      : run_(std::move(run)),
        metrics_(run_ / "metrics.jsonl", kMaxMetricsBytes),
        completions_(run_ / "completions.jsonl", kMaxResponseBytes) {}

  Update poll(double now) override {
    Update update;
    const bool was_held = held_;
    look_at_lock(update);  // first: what a coordinator wrote before it ended is read after this
    read_steps(update);
    read_responses(update);
    read_status(update);
    if (last_active_ == 0)
      last_active_ = first_activity(now);
    else if (held_ || was_held || !update.steps.empty())
      last_active_ = now;
    update.liveness = liveness(now);
    return update;
  }

 private:
  // A run of `train` may be starting. One of `sft` takes no lock: its metrics' age says whether it goes on.
  double first_activity(double now) const {
    struct stat metrics {};
    const bool locks = ::access((run_ / "LOCK").c_str(), F_OK) == 0;
    if (locks || ::stat((run_ / "metrics.jsonl").c_str(), &metrics) != 0) return now;
    return static_cast<double>(metrics.st_mtim.tv_sec);
  }

  void look_at_lock(Update& update) {
    const auto holder = lock_holder(run_ / "LOCK");
    if (!holder) update.note = holder.error().message;
    held_ = holder && holder->has_value();
    ever_held_ |= held_;
  }

  void read_steps(Update& update) {
    auto news = metrics_.poll();
    if (!news) {
      update.note = news.error().message;
      return;
    }
    update.anew = news->anew;
    for (const std::string& line : news->lines) {
      if (auto report = parse_metrics_line(line))
        update.steps.push_back(std::move(*report));
      else
        update.note = (run_ / "metrics.jsonl").string() + ": a line is damaged; prosodia doctor says more";
    }
    if (!update.steps.empty()) last_step_ = update.steps.back().step, total_steps_ = update.steps.back().total_steps;
  }

  void read_responses(Update& update) {
    auto news = completions_.poll();
    if (!news) return;  // the same disk: metrics.jsonl has said it
    if (news->anew) responses_.clear();
    for (const std::string& line : news->lines)
      if (auto response = parse_completion_line(line)) responses_.push_back(std::move(*response));
    if (responses_.size() > kMaxResponses)
      responses_.erase(responses_.begin(), responses_.end() - static_cast<std::ptrdiff_t>(kMaxResponses));
    update.has_responses = news->anew || !news->lines.empty();
    if (update.has_responses) update.responses = responses_;
  }

  void read_status(Update& update) {
    std::error_code error;
    const uint64_t size = std::filesystem::file_size(run_ / "status.json", error);
    if (error || size > kMaxStatusBytes) return;
    std::ifstream file(run_ / "status.json", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    auto status = parse_live_status(text);
    if (!status) return;
    ended_ = has_ended(status->phase);
    update.live = std::move(*status);
  }

  Liveness liveness(double now) const {
    if (held_) return Liveness::kRunning;
    const bool complete = total_steps_ > 0 && last_step_ >= total_steps_;
    if (ended_ || complete) return Liveness::kEnded;
    if (now - last_active_ < kSilenceSeconds) return ever_held_ ? Liveness::kRunning : Liveness::kWaiting;
    return Liveness::kEnded;  // nobody works on it
  }

  std::filesystem::path run_;
  FileTail metrics_, completions_;
  std::vector<LoggedResponse> responses_;
  bool held_ = false, ever_held_ = false, ended_ = false;
  double last_active_ = 0;
  uint64_t last_step_ = 0, total_steps_ = 0;
};

}  // namespace

Result<std::unique_ptr<RunSource>> open_folder(const std::filesystem::path& run) {
  std::error_code error;
  if (!std::filesystem::is_directory(run, error))
    return fail(ErrorCode::kInvalidInput, "{}: no such folder; expected the --output_dir of a run", run.string());
  if (!std::filesystem::exists(run / "config.ini", error) && !std::filesystem::exists(run / "metrics.jsonl", error))
    return fail(ErrorCode::kInvalidInput, "{}: neither config.ini nor metrics.jsonl: not the --output_dir of a run",
                run.string());
  return std::unique_ptr<RunSource>(new FolderSource(run));
}

void apply(Update&& update, Model& model) {
  if (update.anew) model.history = RunHistory();
  for (const StepReport& step : update.steps) model.history.add(step);
  if (update.has_responses) model.responses = std::move(update.responses);
  if (update.live) model.live = std::move(update.live);
  model.liveness = update.liveness;
  model.note = std::move(update.note);
}

}  // namespace prosodia::watch
