// The pages that are tables: workers, times, metrics.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "orchestrator/monitor/metric_table.h"
#include "orchestrator/monitor/progress.h"
#include "orchestrator/monitor/watch/page_parts.h"
#include "orchestrator/monitor/watch/plot.h"

namespace prosodia::watch {
namespace {

struct PhaseStyle {
  const char* name;
  char32_t glyph;
  Style style;
};
constexpr PhaseStyle kPhases[] = {{"rollout", U'█', Style::kCurve},
                                  {"reward", U'▓', Style::kCurve2},
                                  {"train", U'▒', Style::kCurve3},
                                  {"wait", U'░', Style::kDim}};

// The value of a series at a step; NaN when it has none there.
double at_step(const RunHistory& history, const std::string& metric, double step) {
  const auto values = history.values(metric);
  const auto found =
      std::lower_bound(values.begin(), values.end(), step, [](const auto& v, double s) { return v.step < s; });
  return found != values.end() && found->step == step ? found->value : std::nan("");
}

Style state_style(const std::string& state) {
  if (state == "dead" || state == "wedged" || state == "fenced" || state == "absent") return Style::kBad;
  return state == "gone" || state == "loading" ? Style::kWarning : Style::kGood;
}

std::string age_text(double seconds) {
  return seconds < 60 ? fmt::format("{:.1f}s", std::max(seconds, 0.0)) : format_duration(seconds);
}

void draw_worker(Canvas& canvas, int row, const Rect& area, const WorkerView& worker) {
  const int column = area.column + 1;
  canvas.text(row, column, 20, worker.name);
  canvas.text(row, column + 22, 8, worker.state, state_style(worker.state));
  canvas.text_right(row, column + 37, fmt::format("{}", worker.leases));
  canvas.text_right(row, column + 52, rate_text(worker.role, worker.rate));
  canvas.text_right(row, column + 64, age_text(worker.heard_seconds));
  canvas.text_right(row, column + 77, age_text(worker.progress_seconds));
}

}  // namespace

std::string rate_text(const std::string& role, double rate) {
  return fmt::format("{} {}", short_value(rate), role == "reward" ? "resp/s" : "tok/s");
}

void draw_time_bar(Canvas& canvas, int row, int column, int columns, const RunHistory& history, double step) {
  double sum = 0;
  for (const PhaseStyle& phase : kPhases) {
    const double seconds = at_step(history, fmt::format("timing_s/{}", phase.name), step);
    if (std::isfinite(seconds)) sum += std::max(seconds, 0.0);
  }
  constexpr int kWords = 48;  // "rollout 0.23 reward 0.11 train 0.35 wait 0.30", and some room
  const int bar = std::clamp(columns - kWords, 8, 60);
  int used = 0;
  int at = column + bar + 1;
  double before = 0;
  for (const PhaseStyle& phase : kPhases) {
    const double seconds = at_step(history, fmt::format("timing_s/{}", phase.name), step);
    if (!std::isfinite(seconds) || sum <= 0) continue;
    before += std::max(seconds, 0.0);
    const int end = static_cast<int>(std::lround(before / sum * bar));
    canvas.fill({row, column + used, 1, end - used}, phase.glyph, phase.style);
    used = end;
    at += canvas.text(row, at, column + columns - at, fmt::format("{} {:.2f} ", phase.name, seconds), phase.style);
  }
  if (sum <= 0) canvas.text(row, column, columns, "not known", Style::kDim);
}

void draw_workers(Canvas& canvas, const Rect& area, const Model& model, View& view) {
  const int column = area.column + 1;
  if (!model.live) {
    canvas.text(area.row, column, area.columns - 1,
                "This folder has no status.json: the run was made by an older version, or is starting.", Style::kDim);
    int row = area.row + 2;
    for (const std::string& name : model.history.names_with_prefix("workers/"))
      canvas.text(row++, column, area.columns - 1,
                  fmt::format("{}: {:.0f} live at the end of the last step", name.substr(8), model.history.last(name)));
    return;
  }
  const LiveStatus& live = *model.live;
  std::string groups;
  for (const auto& [state, count] : live.groups)
    groups += fmt::format("{}{} {}", groups.empty() ? "" : ", ", count, state);
  canvas.text(area.row, column, area.columns - 2, "groups: " + (groups.empty() ? "none" : groups));
  canvas.text(area.row + 1, column, area.columns - 2,
              fmt::format("leases {}   gate {}   learner {}   last checkpoint {}", live.active_leases,
                          short_value(live.gate), live.learner, live.last_checkpoint));
  const double age = std::max(model.now - live.wall_time, 0.0);
  canvas.text(area.row + 2, column, area.columns - 2,
              fmt::format("coordinator process {} of this run, up {}; this was {} ago", live.life,
                          format_duration(live.wall_time - live.start_time), age_text(age)),
              Style::kDim);
  const int head = area.row + 3;
  canvas.text(head, column, 20, "worker", Style::kDim);
  canvas.text(head, column + 22, 8, "state", Style::kDim);
  canvas.text_right(head, column + 37, "leases", Style::kDim);
  canvas.text_right(head, column + 52, "rate", Style::kDim);
  canvas.text_right(head, column + 64, "last frame", Style::kDim);
  canvas.text_right(head, column + 77, "progress", Style::kDim);
  const int rows = area.rows - 4;
  view.scroll = clamp_scroll(view.scroll, static_cast<int>(live.workers.size()), rows);
  for (int i = 0; i < rows && view.scroll + i < static_cast<int>(live.workers.size()); ++i)
    draw_worker(canvas, head + 1 + i, area, live.workers[static_cast<size_t>(view.scroll + i)]);
}

void draw_times(Canvas& canvas, const Rect& area, const Model& model, View& view) {
  const RunHistory& history = model.history;
  canvas.text(area.row, area.column + 1, area.columns - 1,
              "  step  seconds  where the time went (phases overlap when lag > 0)", Style::kDim);
  const int rows = area.rows - 1;
  const auto first = history.first_step(), last = history.last_step();
  const int steps = last == 0 ? 0 : static_cast<int>(last - first + 1);
  view.scroll = clamp_scroll(view.scroll, steps, rows);
  for (int i = 0; i < rows && view.scroll + i < steps; ++i) {
    const auto step = static_cast<double>(last) - view.scroll - i;
    canvas.text_right(area.row + 1 + i, area.column + 7, fmt::format("{:.0f}", step));
    canvas.text_right(area.row + 1 + i, area.column + 16, short_value(at_step(history, metric::kStepTime, step)));
    draw_time_bar(canvas, area.row + 1 + i, area.column + 18, area.columns - 19, history, step);
  }
}

void draw_metrics(Canvas& canvas, const Rect& area, const Model& model, View& view) {
  constexpr int kNameColumns = 38, kValueEnd = 47;
  const auto names = model.history.names_with_prefix("");
  canvas.text(area.row, area.column + 1, area.columns - 1, "metric", Style::kDim);
  canvas.text_right(area.row, area.column + kValueEnd, "newest", Style::kDim);
  const int rows = area.rows - 1;
  view.scroll = clamp_scroll(view.scroll, static_cast<int>(names.size()), rows);
  for (int i = 0; i < rows && view.scroll + i < static_cast<int>(names.size()); ++i) {
    const std::string& name = names[static_cast<size_t>(view.scroll + i)];
    const int row = area.row + 1 + i;
    canvas.text(row, area.column + 1, kNameColumns, name);
    canvas.text_right(row, area.column + kValueEnd, short_value(model.history.last(name)), Style::kStrong);
    if (const MetricInfo* metric = find_metric(name))
      canvas.text(row, area.column + kValueEnd + 2, area.columns - kValueEnd - 3,
                  fmt::format("{}: {}", metric->unit, metric->meaning), Style::kDim);
  }
}

}  // namespace prosodia::watch
