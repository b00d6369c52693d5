// One line chart as SVG elements, self-drawn: title, legend with the newest values, round ticks, faint raw line under
// the smoothed one. Colours are classes, so that light and dark come from one stylesheet (chart_style()).
//
// Pure functions; used by curves.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "orchestrator/monitor/run_history.h"

namespace prosodia {

struct ChartSeries {
  std::string label;
  std::vector<CurvePoint> points;  // not empty
};

struct ChartOptions {
  std::string title;
  std::optional<double> y_min, y_max;  // fixed ends of the axis; unset = from the data
  std::optional<double> x_min, x_max;  // the same, so that the charts of a run can be compared
  double width = 560, height = 300;    // pixels
};

inline constexpr size_t kMaxChartSeries = 9;  // nine emotions

// A <g> element whose origin is the chart's top left corner. Only the first kMaxChartSeries are drawn; the title then
// says so.
std::string line_chart(const ChartOptions&, const std::vector<ChartSeries>&);

// CSS for the classes used, for light and dark.
std::string chart_style();

// Round positions that cover [low, high], about `count` of them (1, 2 or 5 times a power of ten apart).
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace prosodia
