#include "orchestrator/monitor/watch/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace prosodia::watch {
namespace {

using Value = RunHistory::Value;

struct Range {
  double low = 0, high = 0;
};

// Dots of one colour, the origin at the bottom left, blitted into cells afterwards.
class DotGrid {
 public:
  DotGrid(int rows, int columns, Charset charset)
      : per_column_(charset == Charset::kUnicode ? 2 : 1),
        per_row_(charset == Charset::kUnicode ? 4 : 2),
        rows_(rows),
        columns_(columns),
        bits_(static_cast<size_t>(rows * columns)) {}

  int width() const { return columns_ * per_column_; }
  int height() const { return rows_ * per_row_; }

  void set(int x, int y) {
    if (x < 0 || x >= width() || y < 0 || y >= height()) return;
    const int down = height() - 1 - y;
    constexpr uint8_t kBraille[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    const int dx = x % per_column_, dy = down % per_row_;
    bits_[static_cast<size_t>(down / per_row_ * columns_ + x / per_column_)] |=
        per_column_ == 2 ? kBraille[dy][dx] : static_cast<uint8_t>(1 << dy);
  }

  void blit(Canvas& canvas, int row, int column, Style style) const {
    for (int r = 0; r < rows_; ++r) {
      for (int c = 0; c < columns_; ++c) {
        const uint8_t bits = bits_[static_cast<size_t>(r * columns_ + c)];
        if (bits == 0) continue;
        constexpr char32_t kAsciiDots[] = {U' ', U'\'', U'.', U':'};
        canvas.put(row + r, column + c, per_column_ == 2 ? U'\u2800' + bits : kAsciiDots[bits], style);
      }
    }
  }

 private:
  int per_column_, per_row_, rows_, columns_;
  std::vector<uint8_t> bits_;
};

Range value_range(const PlotOptions& options, std::span<const Value> values) {
  Range range{INFINITY, -INFINITY};
  for (const Value& value : values) {
    if (value.step < options.x_min || value.step > options.x_max) continue;
    range.low = std::min(range.low, value.value);
    range.high = std::max(range.high, value.value);
  }
  if (options.y_min) range.low = *options.y_min;
  if (options.y_max) range.high = *options.y_max;
  if (!(range.low <= range.high)) return {0, 1};
  if (range.low == range.high) {  // a flat line lies in the middle
    const double margin = range.low == 0 ? 1 : std::abs(range.low) * 0.5;
    range = {range.low - margin, range.high + margin};
  }
  return range;
}

int to_dot(double value, const Range& range, int height) {
  const double share = (value - range.low) / (range.high - range.low);
  return std::clamp(static_cast<int>(std::lround(share * (height - 1))), 0, height - 1);
}

// The mean of the values that fall on each column of dots, joined by vertical strokes.
void draw_curve(DotGrid& dots, const PlotOptions& options, const Range& range, std::span<const Value> values) {
  std::vector<double> sum(static_cast<size_t>(dots.width()), 0);
  std::vector<int> count(sum.size(), 0);
  const double span = std::max(options.x_max - options.x_min, 1e-9);
  for (const Value& value : values) {
    if (value.step < options.x_min || value.step > options.x_max) continue;
    const double share = (value.step - options.x_min) / span;
    const auto x = static_cast<size_t>(std::clamp(share * (dots.width() - 1), 0.0, dots.width() - 1.0));
    sum[x] += value.value;
    ++count[x];
  }
  int last_x = -1, last_y = 0;
  for (int x = 0; x < dots.width(); ++x) {
    const auto at = static_cast<size_t>(x);
    if (count[at] == 0) continue;
    const int y = to_dot(sum[at] / count[at], range, dots.height());
    dots.set(x, y);
    if (last_x >= 0) {
      for (int between = last_x + 1; between <= x; ++between) {
        const double share = static_cast<double>(between - last_x) / (x - last_x);
        const int here = static_cast<int>(std::lround(last_y + share * (y - last_y)));
        const double before_share = static_cast<double>(between - 1 - last_x) / (x - last_x);
        const int before = static_cast<int>(std::lround(last_y + before_share * (y - last_y)));
        for (int stroke = std::min(before, here); stroke <= std::max(before, here); ++stroke) {
          const bool nearer_left = std::abs(stroke - before) < std::abs(stroke - here);
          dots.set(nearer_left ? between - 1 : between, stroke);
        }
      }
    }
    last_x = x;
    last_y = y;
  }
}

}  // namespace

std::string short_value(double value) {
  if (!std::isfinite(value)) return "–";
  const double size = std::abs(value);
  if (value == 0) return "0";
  if (size < 1e-3 || size >= 1e9) return fmt::format("{:.0e}", value);
  if (size >= 1e6) return fmt::format("{:.1f}M", value / 1e6);
  if (size >= 1e4) return fmt::format("{:.1f}k", value / 1e3);
  std::string text = fmt::format("{:.{}f}", value, size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
  }
  return text;
}

void plot(Canvas& canvas, const Rect& rect, const PlotOptions& options, std::span<const Value> values) {
  constexpr int kAxisColumns = 7;
  const int end = rect.column + rect.columns;
  int title_end = end;
  if (!values.empty()) {
    const std::string newest = short_value(values.back().value);
    title_end = canvas.text_right(rect.row, end - 1, newest, Style::kStrong) - 1;
  }
  canvas.text(rect.row, rect.column, title_end - rect.column, options.title, Style::kPlain);
  const int rows = rect.rows - 1, columns = rect.columns - kAxisColumns - 1;
  if (rows < 1 || columns < 4) return;
  const Range range = value_range(options, values);
  canvas.text_right(rect.row + 1, rect.column + kAxisColumns - 1, short_value(range.high), Style::kDim);
  if (rows > 1) canvas.text_right(rect.row + rows, rect.column + kAxisColumns - 1, short_value(range.low), Style::kDim);
  canvas.fill({rect.row + 1, rect.column + kAxisColumns - 1, rows, 1}, U'│', Style::kDim);
  DotGrid dots(rows, columns, canvas.charset());
  draw_curve(dots, options, range, values);
  dots.blit(canvas, rect.row + 1, rect.column + kAxisColumns, Style::kCurve);
}

}  // namespace prosodia::watch
