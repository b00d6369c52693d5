#include "data/card/histograms_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/base/markup.h"
#include "data/card/card_stats.h"

namespace prosodia {
namespace {

constexpr double kWidth = 500, kLeft = 150, kRight = 52, kRow = 34, kTop = 6, kAxis = 24;
constexpr int kBins = 24;

struct Axis {
  double low = 0, high = 1;
  double x(double value) const {
    return kLeft + (kWidth - kLeft - kRight) * std::clamp((value - low) / (high - low), 0.0, 1.0);
  }
};

// From the 1st to the 99th percentile over everything: what is beyond counts in the outermost bins.
Axis axis_of(const std::map<std::string, std::vector<double>>& values) {
  std::vector<double> all;
  for (const auto& [emotion, list] : values) all.insert(all.end(), list.begin(), list.end());
  std::sort(all.begin(), all.end());
  Axis axis{quantile(all, 0.01), quantile(all, 0.99)};
  const double pad = std::max(0.02 * (axis.high - axis.low), 1e-6 + 1e-3 * std::abs(axis.high));
  return {axis.low - pad, axis.high + pad};
}

// 1, 2 or 5 times a power of ten, so that about five fit.
double tick_step(double range) {
  const double rough = range / 5, power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (rough <= step * power) return step * power;
  }
  return 10 * power;
}

std::string area(const std::vector<double>& values, const Axis& axis, double bottom) {
  std::vector<double> bins(kBins);
  for (const double value : values) {
    const double at = (value - axis.low) / (axis.high - axis.low) * kBins;
    ++bins[static_cast<size_t>(std::clamp(at, 0.0, kBins - 1.0))];
  }
  const double most = *std::max_element(bins.begin(), bins.end());
  std::string path = fmt::format("M{:.1f} {:.1f}", axis.x(axis.low), bottom);
  for (int i = 0; i < kBins; ++i) {
    const double y = bottom - (kRow - 8) * bins[static_cast<size_t>(i)] / most;
    path += fmt::format("V{:.1f}H{:.1f}", y, axis.x(axis.low + (axis.high - axis.low) * (i + 1) / kBins));
  }
  return path + fmt::format("V{:.1f}Z", bottom);
}

}  // namespace

std::string histograms_svg(std::string_view title, std::string_view unit, const std::vector<std::string>& order,
                           const std::map<std::string, std::vector<double>>& values) {
  std::vector<std::string> rows;
  for (const std::string& emotion : order) {
    const auto found = values.find(emotion);
    if (found != values.end() && !found->second.empty()) rows.push_back(emotion);
  }
  if (rows.empty()) return {};
  const Axis axis = axis_of(values);
  const double bottom = kTop + kRow * static_cast<double>(rows.size()), height = bottom + kAxis;
  std::string svg =
      fmt::format(R"(<svg class="chart" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{} in {}, by emotion">)",
                  kWidth, height, escape_markup(title), escape_markup(unit));
  const double step = tick_step(axis.high - axis.low);
  for (double tick = std::ceil(axis.low / step) * step; tick <= axis.high; tick += step) {
    svg += fmt::format(
        R"(<path class="grid" d="M{0:.1f} {1:.1f}V{2:.1f}"/><text class="soft" x="{0:.1f}" y="{3:.1f}" text-anchor="middle">{4:g}</text>)",
        axis.x(tick), kTop, bottom, height - 6, std::abs(tick) < step * 1e-9 ? 0.0 : tick);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<double>& list = values.at(rows[i]);
    const double base = kTop + kRow * static_cast<double>(i + 1), median = quantile(list, 0.5);
    svg += fmt::format(R"(<g><title>{}: {} utterances, median {:.4g} {}, quartiles {:.4g} and {:.4g}</title>)",
                       escape_markup(rows[i]), list.size(), median, escape_markup(unit), quantile(list, 0.25),
                       quantile(list, 0.75));
    svg += fmt::format(R"(<text x="{:.0f}" y="{:.1f}" text-anchor="end">{}</text>)", kLeft - 8, base - 7,
                       escape_markup(rows[i]));
    svg += fmt::format(R"(<path class="hist" d="{}"/>)", area(list, axis, base));
    svg += fmt::format(R"(<path class="ci" d="M{:.1f} {:.1f}V{:.1f}"/>)", axis.x(median), base, base - kRow + 6);
    svg += fmt::format(R"(<text class="soft" x="{:.0f}" y="{:.1f}">{:.3g}</text></g>)", kWidth - kRight + 8, base - 7,
                       median);
  }
  return svg + "</svg>";
}

}  // namespace prosodia
