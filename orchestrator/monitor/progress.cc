#include "orchestrator/monitor/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <vector>

namespace prosodia {
namespace {

struct Field {
  int priority;  // the highest number goes first when the line is too long; 0 stays
  std::string text;
  int columns = static_cast<int>(text.size());
};

std::optional<double> metric_of(const StepReport& report, const std::string& name) {
  const auto it = report.metrics.find(name);
  return it == report.metrics.end() || !std::isfinite(it->second) ? std::nullopt : std::optional(it->second);
}

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e6) return fmt::format("{:.1f}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.0f}k", value / 1e3);
  if (size >= 1e3) return fmt::format("{:.1f}k", value / 1e3);
  return fmt::format("{:.0f}", value);
}

std::string_view short_name(std::string_view phase) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"rollout", "roll"}, {"reward", "rwd"}, {"weights", "wts"}, {"checkpoint", "ckpt"}};
  for (const auto& [name, shorter] : kNames)
    if (phase == name) return shorter;
  return phase;
}

// Where the step's time went: the largest shares, each a field of its own.
void add_time_split(const StepReport& report, double step_seconds, std::vector<Field>& fields) {
  std::vector<std::pair<double, std::string>> phases;
  for (const auto& [name, seconds] : report.phase_seconds)
    if (step_seconds > 0 && seconds / step_seconds >= 0.01) phases.emplace_back(seconds / step_seconds, name);
  std::sort(phases.rbegin(), phases.rend());
  constexpr int kPriorities[] = {3, 5, 7};
  for (size_t i = 0; i < std::min(std::size(kPriorities), phases.size()); ++i)
    fields.push_back({kPriorities[i], fmt::format("{} {:.0f}%", short_name(phases[i].second), phases[i].first * 100)});
}

std::vector<Field> fields_of(const StepReport& report, double eta_seconds) {
  std::vector<Field> fields;
  const auto add = [&](int priority, const char* label, const char* name, const char* format) {
    if (const auto value = metric_of(report, name))
      fields.push_back({priority, fmt::format("{} {}", label, fmt::format(fmt::runtime(format), *value))});
  };
  const std::string total = report.total_steps > 0 ? fmt::format("/{}", report.total_steps) : "";
  fields.push_back({0, fmt::format("{:>{}}{}", report.step, std::max<size_t>(total.size(), 2) - 1, total)});
  add(0, "reward", metric::kReward, "{:.3f}");
  if (const auto std = metric_of(report, metric::kRewardStd)) {
    const std::string text = fmt::format("±{:.2f}", *std);
    fields.push_back({6, text, static_cast<int>(text.size()) - 1});  // ± is two bytes
  }
  add(2, "fmt", metric::kFormat, "{:.2f}");
  add(1, "acc", metric::kAccuracy, "{:.2f}");
  add(2, "rsn", metric::kReasoning, "{:.2f}");
  add(7, "tau", metric::kTrust, "{:.2f}");
  add(8, "gate", metric::kGate, "{:.2f}");
  add(4, "faith", metric::kFaithfulness, "{:.2f}");
  add(2, "kl", metric::kKl, "{:.4f}");
  add(1, "len", metric::kMeanLength, "{:.0f}");
  if (const auto cut = metric_of(report, metric::kClippedRatio); cut && *cut > 0)
    fields.push_back({5, fmt::format("cut {:.0f}%", *cut * 100)});
  if (const auto rate = metric_of(report, metric::kTokensPerSecond))
    fields.push_back({3, fmt::format("{} tok/s", short_number(*rate))});
  if (const auto seconds = metric_of(report, metric::kStepTime)) {
    fields.push_back({1, fmt::format("{:.1f}s", *seconds)});
    add_time_split(report, *seconds, fields);
  }
  if (eta_seconds >= 0) fields.push_back({1, "eta " + format_duration(eta_seconds)});
  return fields;
}

}  // namespace

std::string progress_line(const StepReport& report, int columns, double eta_seconds) {
  auto fields = fields_of(report, eta_seconds);
  const auto width = [&] {
    return std::accumulate(fields.begin(), fields.end(), -1,
                           [](int sum, const Field& f) { return sum + f.columns + 1; });
  };
  while (width() > columns) {
    const auto least = std::max_element(fields.begin(), fields.end(),
                                        [](const Field& a, const Field& b) { return a.priority < b.priority; });
    if (least->priority == 0) break;
    fields.erase(least);
  }
  std::string line;
  for (const Field& field : fields) line += (line.empty() ? "" : " ") + field.text;
  return line;
}

std::string format_duration(double seconds) {
  const auto total = static_cast<uint64_t>(std::llround(std::max(0.0, seconds)));
  if (total < 60) return fmt::format("{}s", total);
  if (total < 3600) return fmt::format("{}m{:02}s", total / 60, total % 60);
  if (total < 86400) return fmt::format("{}h{:02}m", total / 3600, total / 60 % 60);
  return fmt::format("{}d{:02}h", total / 86400, total / 3600 % 24);
}

int terminal_columns(std::FILE* stream) {
  winsize size{};
  const int fd = ::fileno(stream);
  if (fd >= 0 && ::isatty(fd) && ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
  return 120;
}

double ProgressPrinter::eta_seconds(const StepReport& report) {
  constexpr size_t kWindow = 20;
  if (const auto seconds = metric_of(report, metric::kStepTime)) step_seconds_.push_back(*seconds);
  if (step_seconds_.size() > kWindow) step_seconds_.pop_front();
  if (step_seconds_.empty() || report.total_steps < report.step) return -1;
  const double sum = std::accumulate(step_seconds_.begin(), step_seconds_.end(), 0.0);
  return sum / static_cast<double>(step_seconds_.size()) * static_cast<double>(report.total_steps - report.step);
}

void ProgressPrinter::on_step(const StepReport& report) {
  fmt::print(stream_, "{}\n", progress_line(report, columns_, eta_seconds(report)));
  std::fflush(stream_);
}

}  // namespace prosodia
