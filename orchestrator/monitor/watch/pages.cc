#include "orchestrator/monitor/watch/pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "orchestrator/monitor/progress.h"
#include "orchestrator/monitor/watch/keys.h"
#include "orchestrator/monitor/watch/page_parts.h"

namespace prosodia::watch {
namespace {

constexpr const char* kPageNames[kNumPages] = {"Overview", "Curves", "Workers", "Responses", "Times", "Metrics"};

std::pair<std::string, Style> state_text(const Model& model) {
  if (model.live && (has_ended(model.live->phase) || model.liveness == Liveness::kRunning)) {
    const std::string phase(name(model.live->phase));
    switch (model.live->phase) {
      case RunPhase::kComplete:
      case RunPhase::kRunning:
        return {phase, Style::kGood};
      case RunPhase::kFailed:
        return {phase, Style::kBad};
      default:
        return {phase, Style::kWarning};
    }
  }
  switch (model.liveness) {
    case Liveness::kWaiting:
      return {"waiting", Style::kWarning};
    case Liveness::kRunning:
      return {"running", Style::kGood};
    case Liveness::kEnded:
      break;
  }
  const RunHistory& history = model.history;
  const bool whole = history.total_steps() > 0 && history.last_step() >= history.total_steps();
  return whole ? std::pair("complete", Style::kGood) : std::pair("not running", Style::kWarning);
}

// Mean of the newest steps' times; NaN when none is known.
double seconds_per_step(const RunHistory& history) {
  auto values = history.values(metric::kStepTime);
  constexpr size_t kWindow = 20;
  if (values.size() > kWindow) values = values.subspan(values.size() - kWindow);
  double sum = 0;
  for (const auto& value : values) sum += value.value;
  return values.empty() ? std::nan("") : sum / static_cast<double>(values.size());
}

void draw_header(Canvas& canvas, const Model& model, const View& view) {
  const int columns = canvas.size().columns;
  canvas.fill({0, 0, 1, columns}, U' ', Style::kBar);
  const RunHistory& history = model.history;
  std::string right = history.total_steps() > 0 ? fmt::format("step {}/{}", history.last_step(), history.total_steps())
                                                : fmt::format("step {}", history.last_step());
  const double seconds = seconds_per_step(history);
  if (std::isfinite(seconds)) {
    right += fmt::format("  {:.1f} s/step", seconds);
    if (model.liveness == Liveness::kRunning && history.total_steps() > history.last_step())
      right += fmt::format("  {} left",
                           format_duration(seconds * static_cast<double>(history.total_steps() - history.last_step())));
  }
  const auto [state, style] = state_text(model);
  const std::string shown_state = view.paused ? "PAUSED" : state;
  int end = canvas.text_right(0, columns - 1, shown_state, view.paused ? Style::kWarning : style) - 2;
  end = canvas.text_right(0, end, right, Style::kBar) - 2;
  const std::string name = model.live && !model.live->run_name.empty() ? model.live->run_name : model.where;
  canvas.text(0, 1, end - 1, name, Style::kBar);
  int column = 1;
  for (int page = 0; page < kNumPages; ++page) {
    const bool here = static_cast<int>(view.page) == page;
    const std::string label =
        here ? fmt::format("[{} {}]", page + 1, kPageNames[page]) : fmt::format(" {} {} ", page + 1, kPageNames[page]);
    column += canvas.text(1, column, columns - column, label, here ? Style::kStrong : Style::kDim);
  }
}

std::string zoom_text(const Model& model, const View& view) {
  const StepRange range = shown_steps(model.history, view);
  if (model.history.last_step() == 0) return "no step yet";
  const int window = kSmoothing[view.smoothing];
  return fmt::format("steps {:.0f}–{:.0f}  smooth {}", range.first, range.last,
                     window == 0   ? "auto"
                     : window == 1 ? "off"
                                   : std::to_string(window));
}

void draw_footer(Canvas& canvas, const Model& model, const View& view) {
  const int row = canvas.size().rows - 1, columns = canvas.size().columns;
  canvas.fill({row, 0, 1, columns}, U' ', Style::kBar);
  const std::string right = zoom_text(model, view);
  const int end = canvas.text_right(row, columns - 1, right, Style::kBar) - 2;
  if (!model.note.empty())
    canvas.text(row, 1, end - 1, model.note, Style::kWarning);
  else
    canvas.text(row, 1, end - 1, "1-6 page  ↑↓  +- zoom  p pause  ? help  q quit", Style::kBar);
}

void draw_help(Canvas& canvas, const Rect& area) {
  int row = area.row + 1;
  canvas.text(row++, area.column + 2, area.columns - 2, "Keys", Style::kStrong);
  for (const KeyHelp& help : kKeyHelp) {
    canvas.text(row, area.column + 4, 20, help.keys, Style::kCurve);
    canvas.text(row++, area.column + 26, area.columns - 26, help.meaning);
  }
  canvas.text(row + 1, area.column + 2, area.columns - 2, "Any key goes back. Nothing here changes the run.",
              Style::kDim);
}

void draw_page(Canvas& canvas, const Rect& area, const Model& model, View& view) {
  switch (view.page) {
    case Page::kOverview:
      return draw_overview(canvas, area, model, view);
    case Page::kCurves:
      return draw_curves(canvas, area, model, view);
    case Page::kWorkers:
      return draw_workers(canvas, area, model, view);
    case Page::kResponses:
      return draw_responses(canvas, area, model, view);
    case Page::kTimes:
      return draw_times(canvas, area, model, view);
    case Page::kMetrics:
      return draw_metrics(canvas, area, model, view);
  }
}

}  // namespace

int page_rows(Size size) { return std::max(size.rows - 3, 1); }

int clamp_scroll(int scroll, int lines, int rows) { return std::clamp(scroll, 0, std::max(lines - rows, 0)); }

Frame draw(const Model& model, const View& view, Size size, Charset charset) {
  Frame frame{Canvas(size, charset), view};
  if (size.rows < kSmallest.rows || size.columns < kSmallest.columns) {
    frame.canvas.text(
        0, 0, size.columns,
        fmt::format("step {} · needs {}x{}", model.history.last_step(), kSmallest.columns, kSmallest.rows));
    return frame;
  }
  const Rect area{2, 0, page_rows(size), size.columns};
  if (view.help)
    draw_help(frame.canvas, area);
  else
    draw_page(frame.canvas, area, model, frame.view);
  draw_header(frame.canvas, model, frame.view);
  draw_footer(frame.canvas, model, frame.view);
  return frame;
}

}  // namespace prosodia::watch
