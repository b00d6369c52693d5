// What the pages of `prosodia watch` are made of. Private to this folder. Each page draws into `area`; it may bring
// view.scroll and view.selected back into their range.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "orchestrator/monitor/watch/canvas.h"
#include "orchestrator/monitor/watch/watch_model.h"

namespace prosodia::watch {

struct ChartSpec {
  std::string title;
  std::string metric;
  std::optional<double> y_min, y_max;
};

// Charts of metrics that the run has, in the order of their importance.
std::vector<ChartSpec> charts_of(const RunHistory& history);

struct StepRange {
  double first = 0, last = 0;
};
StepRange shown_steps(const RunHistory& history, const View& view);

// A grid of charts in `area`, beginning with that at `first`; returns how many lie in a row of the grid.
int draw_chart_grid(Canvas& canvas, const Rect& area, const Model& model, const View& view,
                    const std::vector<ChartSpec>& charts, size_t first);

// One line: the newest step's time by phase, as a bar and in words.
void draw_time_bar(Canvas& canvas, int row, int column, int columns, const RunHistory& history, double step);

// One line about a response: step, scores, what it said.
void draw_response_line(Canvas& canvas, int row, const Rect& area, const LoggedResponse& response, Style style);

// "1.2k tok/s", "0.8 resp/s".
std::string rate_text(const std::string& role, double rate);

void draw_overview(Canvas& canvas, const Rect& area, const Model& model, View& view);
void draw_curves(Canvas& canvas, const Rect& area, const Model& model, View& view);
void draw_workers(Canvas& canvas, const Rect& area, const Model& model, View& view);
void draw_responses(Canvas& canvas, const Rect& area, const Model& model, View& view);
void draw_times(Canvas& canvas, const Rect& area, const Model& model, View& view);
void draw_metrics(Canvas& canvas, const Rect& area, const Model& model, View& view);

// Clamps a scroll position so that the last screen stays full.
int clamp_scroll(int scroll, int lines, int rows);

}  // namespace prosodia::watch
