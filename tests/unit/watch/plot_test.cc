#include "orchestrator/monitor/watch/plot.h"

#include <gmock/gmock.h>

#include <cmath>

namespace prosodia::watch {
namespace {

using testing::HasSubstr;

std::vector<RunHistory::Value> line_of(int steps, double (*value)(double)) {
  std::vector<RunHistory::Value> values;
  for (int step = 1; step <= steps; ++step) values.push_back({double(step), value(step)});
  return values;
}

Canvas plotted(const std::vector<RunHistory::Value>& values, PlotOptions options, Size size = {6, 20},
               Charset charset = Charset::kUnicode) {
  Canvas canvas(size, charset);
  plot(canvas, {0, 0, size.rows, size.columns}, options, values);
  return canvas;
}

TEST(Plot, ARisingLineGoesFromTheBottomLeftToTheTopRight) {
  const auto values = line_of(40, [](double step) { return step; });
  EXPECT_EQ(plotted(values, {"up", 0, 40, 1, 40}).all(),
            "up               40\n"
            "    40│         ⢀⠔⠉\n"
            "      │       ⡠⠒⠁\n"
            "      │    ⢀⠔⠉\n"
            "      │  ⡠⠒⠁\n"
            "     0│⠔⠉\n");
  EXPECT_EQ(plotted(values, {"up", 0, 40, 1, 40}, {4, 18}, Charset::kAscii).all(),
            "up             40\n"
            "    40|      ..''\n"
            "      |   .''\n"
            "     0|.''\n");
}

TEST(Plot, OddValuesStayInside) {
  EXPECT_THAT(plotted({{1, 5}, {2, 5}}, {"flat", {}, {}, 1, 2}).line(1), HasSubstr("7.5"));
  EXPECT_THAT(plotted({{1, 0}}, {"zero", {}, {}, 1, 1}).line(1), HasSubstr("1"));
  EXPECT_THAT(plotted({{1, -3}, {2, 99}}, {"clamped", 0, 1, 1, 2}).line(1), HasSubstr("1│"));
  EXPECT_THAT(plotted({}, {"none", {}, {}, 0, 0}).line(0), "none");
  for (int rows = 2; rows < 5; ++rows)
    for (int columns = 3; columns < 16; ++columns)
      plotted(line_of(9, [](double s) { return s; }), {"small", {}, {}, 1, 9}, {rows, columns});
}

TEST(Plot, ShowsTheStepsAskedForAlone) {
  const auto values = line_of(100, [](double step) { return step <= 50 ? 1000 : step; });
  EXPECT_THAT(plotted(values, {"tail", {}, {}, 51, 100}).line(1), HasSubstr("100│"));
}

TEST(Smooth, HasNoBiasAndLeavesShortWindowsAlone) {
  const auto constant = line_of(50, [](double) { return 3.0; });
  for (const auto& value : RunHistory::smooth(constant, 20)) EXPECT_NEAR(value.value, 3, 1e-12);
  const auto wave = line_of(50, [](double step) { return std::fmod(step, 2) == 0 ? 1.0 : -1.0; });
  EXPECT_NEAR(RunHistory::smooth(wave, 20).back().value, 0, 0.1);
  EXPECT_EQ(RunHistory::smooth(wave, 1).back().value, 1);
}

TEST(ShortValue, FitsIntoSixColumns) {
  EXPECT_EQ(short_value(0.5), "0.5");
  EXPECT_EQ(short_value(-12.345), "-12.35");
  EXPECT_EQ(short_value(1234), "1234");
  EXPECT_EQ(short_value(0), "0");
  EXPECT_EQ(short_value(NAN), "–");
  for (double value = 1e-12; value < 1e14; value *= 1.7) {
    EXPECT_LE(width_of(short_value(value)), 6) << value;
    EXPECT_LE(width_of(short_value(-value)), 7) << value;
  }
}

}  // namespace
}  // namespace prosodia::watch
