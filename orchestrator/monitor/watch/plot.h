// One curve chart in a rectangle of a canvas: a title with the newest value, the axis' ends at the left, the curve in
// braille dots (two by four in a cell); in ASCII two dots a cell, one above the other.
//
// Pure; cannot fail. A rectangle too small for a curve shows the title alone.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "orchestrator/monitor/run_history.h"
#include "orchestrator/monitor/watch/canvas.h"

namespace prosodia::watch {

struct PlotOptions {
  std::string title;
  std::optional<double> y_min, y_max;  // fixed ends of the axis; unset = from the data
  double x_min = 0, x_max = 1;         // steps at the left and right edge
};

// `values` by step. rect.rows >= 2.
void plot(Canvas& canvas, const Rect& rect, const PlotOptions& options, std::span<const RunHistory::Value> values);

// A number in at most six columns: "0.123", "-12.3", "1.2k", "3e-05".
std::string short_value(double value);

}  // namespace prosodia::watch
