#include "orchestrator/monitor/curves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "data/store/testing/faulty_file_system.h"
#include "orchestrator/monitor/line_chart.h"
#include "tests/unit/monitor/monitor_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// Every tag closed in order, no raw ampersand or quote trouble: enough to catch a broken drawing.
void expect_well_formed(std::string_view xml) {
  std::vector<std::string> open;
  for (size_t at = 0; (at = xml.find('<', at)) != std::string::npos;) {
    const size_t end = xml.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string_view tag = xml.substr(at + 1, end - at - 1);
    const std::string name(tag.substr(0, tag.find_first_of(" /", 1)));
    if (tag.starts_with('/')) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ("/" + open.back(), tag);
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(name);
    }
    at = end;
  }
  EXPECT_THAT(open, testing::IsEmpty());
  for (size_t at = 0; (at = xml.find('&', at)) != std::string::npos; ++at)
    EXPECT_LT(xml.find(';', at) - at, 7u) << xml.substr(at, 20);
  EXPECT_THAT(std::string(xml), AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf"))));
}

RunHistory history_of(uint64_t steps) {
  RunHistory history;
  for (uint64_t step = 1; step <= steps; ++step) history.add(step_report(step, 100));
  return history;
}

TEST(Ticks, AreRoundAndInside) {
  EXPECT_THAT(round_ticks(0, 1, 5), ElementsAre(0, 0.2, 0.4, testing::DoubleNear(0.6, 1e-12), 0.8, 1));
  EXPECT_THAT(round_ticks(-30, 170, 5), ElementsAre(0, 50, 100, 150));
  EXPECT_THAT(round_ticks(1e-7, 9e-7, 4), Each(testing::AllOf(testing::Gt(0), testing::Lt(1e-6))));
  EXPECT_THAT(round_ticks(3, 3.00001, 5), testing::SizeIs(testing::Ge(3)));
}

TEST(RunHistory, SmoothsWithoutBiasAndThins) {
  RunHistory history;
  for (uint64_t step = 1; step <= 5000; ++step) {
    StepReport report{.step = step};
    report.metrics["constant"] = 3;
    report.metrics["alternating"] = step % 2 ? 1 : -1;
    report.metrics["bad"] = std::nan("");
    history.add(report);
  }
  const auto constant = history.curve("constant");
  EXPECT_LE(constant.size(), 400u);
  EXPECT_GE(constant.size(), 300u);
  EXPECT_EQ(constant.back().step, 5000);
  for (const auto& point : constant) EXPECT_NEAR(point.smoothed, 3, 1e-9);
  EXPECT_NEAR(history.curve("alternating").back().smoothed, 0, 0.02);
  EXPECT_TRUE(history.curve("bad").empty());
  EXPECT_TRUE(std::isnan(history.last("bad")));
  EXPECT_TRUE(history.curve("none").empty());
}

TEST(RunHistory, ShortRunsAreNotSmoothed) {
  const auto curve = history_of(20).curve(metric::kKl);
  ASSERT_EQ(curve.size(), 20u);
  for (const auto& point : curve) EXPECT_DOUBLE_EQ(point.smoothed, point.value);
}

TEST(Curves, PictureIsWellFormedAndSelfContained) {
  for (const uint64_t steps : {1, 2, 50, 2000}) {
    const std::string svg = curves_svg(history_of(steps), "run <1> & \"more\"");
    expect_well_formed(svg);
    EXPECT_THAT(svg, AllOf(HasSubstr("run &lt;1&gt; &amp; &quot;more&quot;"), HasSubstr("Reward components"),
                           HasSubstr("optimizer step"), HasSubstr("prefers-color-scheme:dark"),
                           HasSubstr(fmt::format("step {} of 100", steps))));
    EXPECT_EQ(svg.find("http", svg.find("www.w3.org")), std::string::npos) << "no network";
    EXPECT_LT(svg.size(), 100'000u);
  }
}

TEST(Curves, OddValuesAreDrawn) {
  for (const double value : {0.0, -1e-9, 1e12, -5.0}) {
    RunHistory history;
    for (uint64_t step = 1; step <= 3; ++step) {
      StepReport report{.step = step};
      report.metrics[metric::kReward] = value;
      report.metrics[metric::kAccuracy] = 7;  // outside of its axis
      history.add(report);
    }
    expect_well_formed(curves_svg(history, "t"));
  }
  expect_well_formed(curves_svg(RunHistory(), "nothing yet"));
}

TEST(Report, ShowsCurvesAndEscapedResponses) {
  std::vector<LoggedResponse> newest = {{1, sampled(1, 0, 1.3, true)}, {2, sampled(2, 0, 0.3, false)}};
  newest[1].response.reasoning_status = "timeout";
  newest[0].response.response = "</pre><script>alert(1)</script>";
  const std::string html = report_html(history_of(30), newest, "my run", RunState::kRunning);
  EXPECT_THAT(html, AllOf(HasSubstr("30 of 100"), HasSubstr("&lt;script&gt;alert(1)"), Not(HasSubstr("<script")),
                          HasSubstr("<td>timeout</td>"), HasSubstr("How does &lt;she&gt; feel?"),
                          HasSubstr("http-equiv"), Not(HasSubstr("http:")), Not(HasSubstr("https:"))));
  EXPECT_LT(html.find("<td>2</td>"), html.find("<td>1</td>")) << "newest first";
  EXPECT_THAT(report_html(history_of(30), {}, "my run", RunState::kEnded), Not(HasSubstr("http-equiv")));
}

TEST(Report, SaysWhenThereAreMoreLinesThanColours) {
  RunHistory history;
  StepReport report = step_report(1, 10);
  for (int i = 0; i < 10; ++i) report.metrics[fmt::format("rewards/accuracy/emotion/e{}", i)] = 0.5;
  history.add(report);
  EXPECT_THAT(report_html(history, {}, "t", RunState::kEnded),
              AllOf(HasSubstr("Accuracy by label (first 9 of 10)"), HasSubstr(">e8 "), Not(HasSubstr(">e9 "))));
}

}  // namespace
}  // namespace prosodia
