#include "orchestrator/monitor/progress_bar.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "orchestrator/monitor/progress.h"

namespace prosodia {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);

}  // namespace

std::string progress_text(std::string_view what, size_t done, size_t total, int columns, const Pace& pace) {
  const size_t percent = total > 0 ? 100 * done / total : 100;
  std::string tail = fmt::format("  {}/{}  {} %", done, total, percent);
  if (pace.per_second >= 0) tail += fmt::format("  {:.{}f}/s", pace.per_second, pace.per_second < 100 ? 1 : 0);
  if (pace.eta_seconds >= 0) tail += "  eta " + format_duration(pace.eta_seconds);
  const int room = columns - static_cast<int>(what.size() + tail.size()) - 4;
  if (room < 8) return fmt::format("{}{}", what, tail);
  const auto width = static_cast<size_t>(std::min(room, 40));
  const size_t filled = total > 0 ? width * done / total : width;
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return fmt::format("{}  [{}]{}", what, bar, tail);
}

ProgressBar::ProgressBar(std::string what) : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (line_open_) fmt::print(stderr, "\n");
}

void ProgressBar::hide() {
  if (!line_open_) return;
  fmt::print(stderr, "\r{:<{}}\r", "", terminal_columns(stderr) - 1);
  line_open_ = false;
}

Pace ProgressBar::pace(size_t done, size_t total) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (done <= first_ || seconds <= 0) return {};
  const double rate = static_cast<double>(done - first_) / seconds;
  return {rate, done < total ? static_cast<double>(total - done) / rate : -1};
}

// What is over at once needs no lines before its last one.
void ProgressBar::show_line(size_t done, size_t total) {
  constexpr auto kAtOnce = std::chrono::seconds(2);
  const int quarter = total > 0 ? static_cast<int>(4 * done / total) : 4;
  if (quarter <= shown_quarter_ || (quarter < 4 && Clock::now() - start_ < kAtOnce)) return;
  shown_quarter_ = quarter;
  fmt::print(stderr, "{}\n", progress_text(what_, done, total, 0, pace(done, total)));
}

void ProgressBar::show(size_t done, size_t total) {
  const auto now = Clock::now();
  if (!started_) {
    started_ = true;
    start_ = now;
    first_ = done;
  }
  if (!terminal_) return show_line(done, total);
  if (line_open_ && done < total && now - drawn_ < kRedraw) return;
  drawn_ = now;
  const int columns = terminal_columns(stderr) - 1;
  fmt::print(stderr, "\r{:<{}}", progress_text(what_, done, total, columns, pace(done, total)), columns);
  line_open_ = done < total;
  if (!line_open_) fmt::print(stderr, "\n");
}

}  // namespace prosodia
