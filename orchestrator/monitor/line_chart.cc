#include "orchestrator/monitor/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "data/base/markup.h"

namespace prosodia {
namespace {

struct Colour {
  const char *light, *dark;
};
constexpr std::array<Colour, kMaxChartSeries> kColours = {{{"#2a78d6", "#3987e5"},
                                                           {"#eb6834", "#d95926"},
                                                           {"#1baf7a", "#199e70"},
                                                           {"#4a3aa7", "#9085e9"},
                                                           {"#c98500", "#c98500"},
                                                           {"#e34948", "#e66767"},
                                                           {"#e87ba4", "#d55181"},
                                                           {"#008300", "#3fa34d"},
                                                           {"#77766f", "#a3a199"}}};

constexpr size_t kMaxRawLines = 4;  // with more series only the smoothed lines can be told apart
constexpr double kLeft = 52, kRight = 16, kBottom = 40, kTitleHeight = 24, kLegendRow = 18, kCharacter = 6.6;

struct Axis {  // data -> pixels
  double low, high, from, to;
  double operator()(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

double step_between(const std::vector<double>& ticks) { return ticks.size() > 1 ? ticks[1] - ticks[0] : 1; }

std::string tick_label(double value, double step) {
  if (std::abs(value) < step * 1e-6) return "0";
  const double size = std::max(std::abs(value), step);
  if (size >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:g}k", value / 1e3);
  if (step < 1e-4) return fmt::format("{:.1e}", value);
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 5);
  return fmt::format("{:.{}f}", value, decimals);
}

std::string value_label(double value) {
  const double size = std::abs(value);
  if (size >= 1e5 || (size < 1e-3 && size > 0)) return fmt::format("{:.2e}", value);
  return fmt::format("{:.{}f}", value, size >= 100 ? 0 : size >= 10 ? 1 : 3);
}

std::pair<double, double> value_range(const ChartOptions& options, const std::vector<ChartSeries>& series) {
  double low = INFINITY, high = -INFINITY;
  for (const ChartSeries& line : series)
    for (const CurvePoint& point : line.points) {
      low = std::min({low, point.value, point.smoothed});
      high = std::max({high, point.value, point.smoothed});
    }
  low = options.y_min.value_or(low);
  high = options.y_max.value_or(high);
  if (high - low < 1e-12 + 1e-9 * std::abs(high)) {  // a constant: in the middle
    const double margin = high == 0 ? 1 : std::abs(high) * 0.1;
    if (!options.y_min) low -= margin;
    if (!options.y_max || high <= low) high += margin;
  }
  return {low, high};
}

// Label and newest value after a swatch, rows broken at the width. Returns the elements and the height used.
std::pair<std::string, double> legend(const ChartOptions& options, const std::vector<ChartSeries>& series, double top) {
  std::string out;
  double x = kLeft, y = top;
  for (size_t i = 0; i < series.size(); ++i) {
    const std::string value = value_label(series[i].points.back().smoothed);
    const double width = 20 + kCharacter * static_cast<double>(series[i].label.size() + 1 + value.size()) + 18;
    if (x > kLeft && x + width > options.width - kRight + 18) {
      x = kLeft;
      y += kLegendRow;
    }
    out += fmt::format(
        R"(<rect class="b{}" x="{:.0f}" y="{:.0f}" width="14" height="3" rx="1.5"/><text class="ink" x="{:.0f}" y="{:.0f}">{} <tspan class="num">{}</tspan></text>)",
        i, x, y + 7, x + 20, y + 12, escape_markup(series[i].label), value);
    x += width;
  }
  return {out, y + kLegendRow - top};
}

std::string path_of(const std::vector<CurvePoint>& points, const Axis& x, const Axis& y, double CurvePoint::*member) {
  std::string path;
  for (const CurvePoint& point : points)
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x(point.step),
                        y(std::clamp(point.*member, y.low, y.high)));
  return path;
}

std::string grid(const ChartOptions& options, const Axis& x, const Axis& y) {
  std::string out;
  const auto y_ticks = round_ticks(y.low, y.high, 5);
  for (const double tick : y_ticks)
    out += fmt::format(
        R"(<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/><text class="dim" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)",
        x.from, x.to, y(tick), y(tick), x.from - 8, y(tick) + 4, tick_label(tick, step_between(y_ticks)));
  const auto x_ticks = round_ticks(x.low, x.high, 6);
  for (const double tick : x_ticks) {
    if (tick != std::floor(tick)) continue;  // steps are whole
    out += fmt::format(R"(<text class="dim" x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)", x(tick),
                       y.from + 17, tick_label(tick, step_between(x_ticks)));
  }
  out += fmt::format(R"(<line class="axis" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>)", x.from, x.to, y.from,
                     y.from);
  out += fmt::format(R"(<text class="dim" x="{:.1f}" y="{:.1f}" text-anchor="middle">optimizer step</text>)",
                     (x.from + x.to) / 2, options.height - 6);
  return out;
}

}  // namespace

std::vector<double> round_ticks(double low, double high, int count) {
  const double rough = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  for (auto i = static_cast<int64_t>(std::ceil(low / step - 1e-9)); static_cast<double>(i) * step <= high + step * 1e-9;
       ++i)
    ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::string line_chart(const ChartOptions& options, const std::vector<ChartSeries>& all) {
  const std::vector<ChartSeries> series(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), kMaxChartSeries)));
  const std::string left_out =
      all.size() > series.size() ? fmt::format(" (first {} of {})", series.size(), all.size()) : "";
  std::string out = fmt::format(R"(<g class="chart"><text class="title" x="{:.0f}" y="17">{}{}</text>)", kLeft,
                                escape_markup(options.title), left_out);
  const auto [legend_elements, legend_height] = legend(options, series, kTitleHeight + 4);
  out += legend_elements;
  double first = options.x_min.value_or(INFINITY), last = options.x_max.value_or(-INFINITY);
  for (const ChartSeries& line : series) {
    first = std::min(first, line.points.front().step);
    last = std::max(last, line.points.back().step);
  }
  if (first == last) {
    first -= 1;
    last += 1;
  }
  const auto [low, high] = value_range(options, series);
  const double margin = (high - low) * 0.04;  // so that a line at the edge is not cut
  const Axis x{first, last, kLeft, options.width - kRight};
  const Axis y{low - margin, high + margin, options.height - kBottom, kTitleHeight + legend_height + 14};
  out += grid(options, x, y);
  for (size_t i = 0; i < series.size(); ++i) {
    const auto& points = series[i].points;
    if (points.size() == 1) {
      out += fmt::format(R"(<circle class="b{}" cx="{:.1f}" cy="{:.1f}" r="4"/>)", i, x(points[0].step),
                         y(points[0].value));
      continue;
    }
    if (series.size() <= kMaxRawLines)
      out += fmt::format(R"(<path class="s{} raw" d="{}"/>)", i, path_of(points, x, y, &CurvePoint::value));
  }
  for (size_t i = 0; i < series.size(); ++i)  // above every raw line
    if (series[i].points.size() > 1)
      out += fmt::format(R"(<path class="s{}" d="{}"/>)", i, path_of(series[i].points, x, y, &CurvePoint::smoothed));
  return out + "</g>";
}

std::string chart_style() {
  const auto colours = [](bool dark) {
    std::string css;
    for (size_t i = 0; i < kColours.size(); ++i) {
      const char* colour = dark ? kColours[i].dark : kColours[i].light;
      css += fmt::format(".chart .s{0}{{stroke:{1}}}.chart .b{0}{{fill:{1}}}", i, colour);
    }
    return css;
  };
  return ".chart text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}"
         ".chart .title{font-size:14px;font-weight:600}.chart .num{font-weight:600}"
         ".chart path{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
         ".chart .raw{stroke-width:1;opacity:.3}.chart .grid{stroke-width:1}.chart .axis{stroke-width:1}"
         ".surface{fill:#fcfcfb}.chart .title,.chart .ink{fill:#1a1a19}.chart .dim{fill:#6b6a64}"
         ".chart .grid{stroke:#e8e7e2}.chart .axis{stroke:#b9b8b0}" +
         colours(false) +
         "@media (prefers-color-scheme:dark){"
         ".surface{fill:#1a1a19}.chart .title,.chart .ink{fill:#f2f1ec}.chart .dim{fill:#a3a199}"
         ".chart .grid{stroke:#33322e}.chart .axis{stroke:#5c5b55}" +
         colours(true) + "}";
}

}  // namespace prosodia
