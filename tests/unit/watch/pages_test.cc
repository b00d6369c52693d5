// Every page, read back from the cells at the sizes people have.
#include "orchestrator/monitor/watch/pages.h"

#include <gmock/gmock.h>

#include "tests/unit/watch/watch_model_util.h"

namespace prosodia::watch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr Size kSmall = {24, 80}, kLarge = {50, 200};

std::string text_of(const Model& model, const View& view, Size size = kSmall, Charset charset = Charset::kUnicode) {
  return draw(model, view, size, charset).canvas.all();
}

// Braille dots drawn in a canvas: how much curve there is.
int curve_cells(const Canvas& canvas) {
  int count = 0;
  for (int row = 0; row < canvas.size().rows; ++row)
    for (int column = 0; column < canvas.size().columns; ++column)
      count += canvas.at(row, column).glyph > 0x2800 && canvas.at(row, column).glyph < 0x2900;
  return count;
}

TEST(Pages, OverviewAt80x24HasEverythingThatMatters) {
  const Frame frame = draw(watched_run(), {}, kSmall, Charset::kUnicode);
  const std::string text = frame.canvas.all();
  EXPECT_THAT(frame.canvas.line(0), AllOf(HasSubstr("emotion-run"), HasSubstr("step 60/100"), HasSubstr("2.0 s/step"),
                                          HasSubstr("1m20s left"), HasSubstr("running")));
  EXPECT_THAT(frame.canvas.line(1), AllOf(HasSubstr("[1 Overview]"), HasSubstr("4 Responses"), HasSubstr("6 Metrics")));
  EXPECT_THAT(text, AllOf(HasSubstr("reward"), HasSubstr("accuracy"), HasSubstr("KL to reference"),
                          HasSubstr("completion length"), HasSubstr("rollout 1.20 train 0.60"),
                          HasSubstr("rollout 1 dead 1 live · learner training"), HasSubstr("3 leases"),
                          HasSubstr("<think>pitch")));
  EXPECT_THAT(frame.canvas.line(23), AllOf(HasSubstr("q quit"), HasSubstr("steps 1–60"), HasSubstr("smooth auto")));
  EXPECT_GT(curve_cells(frame.canvas), 60);
}

TEST(Pages, ALargeTerminalShowsMore) {
  const Frame small = draw(watched_run(), {}, kSmall, Charset::kUnicode);
  const Frame large = draw(watched_run(), {}, kLarge, Charset::kUnicode);
  EXPECT_GT(curve_cells(large.canvas), 3 * curve_cells(small.canvas));
  EXPECT_THAT(large.canvas.all(), AllOf(HasSubstr("entropy"), HasSubstr("staleness")));
}

// Sizes from nothing to huge, every page, both character sets, empty and full runs: cells are in range (the canvas
// checks), and ASCII means ASCII.
TEST(Pages, EverySizeAndPageIsDrawn) {
  for (const Model& model : {Model{}, watched_run(), watched_run(1)}) {
    for (const Size size : {Size{1, 1}, Size{5, 20}, Size{10, 40}, Size{11, 41}, kSmall, kLarge, Size{120, 400}}) {
      for (int page = 0; page < kNumPages; ++page) {
        View view{.page = static_cast<Page>(page), .scroll = 1000, .selected = 1000};
        const std::string text = text_of(model, view, size, Charset::kAscii);
        EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; })) << text;
        view.whole_response = true;
        text_of(model, view, size);
      }
    }
  }
  EXPECT_THAT(text_of(watched_run(), {}, {5, 20}), HasSubstr("step 60"));
}

TEST(Pages, CurvesScrollToTheirEndAndNoFurther) {
  Frame frame = draw(watched_run(), {.page = Page::kCurves, .scroll = 1'000'000}, kSmall, Charset::kUnicode);
  EXPECT_LT(frame.view.scroll, 20);
  EXPECT_THAT(frame.canvas.all(), HasSubstr("seconds per step"));
  EXPECT_THAT(text_of(watched_run(), {.page = Page::kCurves}),
              AllOf(HasSubstr("reward"), Not(HasSubstr("seconds per"))));
}

TEST(Pages, ZoomShowsTheLastSteps) {
  EXPECT_THAT(text_of(watched_run(), {.zoom = 4}), AllOf(HasSubstr("steps 31–60"), HasSubstr("0.31│")));
}

TEST(Pages, WorkersWithStateRateAndHeartbeat) {
  const std::string text = text_of(watched_run(), {.page = Page::kWorkers});
  EXPECT_THAT(text,
              AllOf(HasSubstr("4 planned, 2 sampled"), HasSubstr("coordinator process 2"), HasSubstr("gate 0.5")));
  EXPECT_THAT(text, testing::ContainsRegex("rollout-0 +live +2 +1234 tok/s +0.4s +0.6s"));
  EXPECT_THAT(text, testing::ContainsRegex("rollout-1 +dead +0 +0 tok/s +1m15s +1m20s"));
  EXPECT_THAT(text, testing::ContainsRegex("reward-0 +live +1 +8.25 resp/s"));
  Model old = watched_run();
  old.live.reset();
  EXPECT_THAT(text_of(old, {.page = Page::kWorkers}), AllOf(HasSubstr("no status.json"), HasSubstr("rollout: 2 live")));
}

TEST(Pages, ResponsesNewestFirstWithTheirScores) {
  Model model = watched_run();
  model.responses.back().response.response = "first line\nsecond \x1b[31mline";
  model.responses.back().response.reasoning_status = "value";
  model.responses.back().response.reasoning = 0.75;
  const std::string text = text_of(model, {.page = Page::kResponses});
  EXPECT_LT(text.find(">  60"), text.find("   59"));
  EXPECT_THAT(text, AllOf(HasSubstr("reward 1.300"), HasSubstr("reasoning 0.75"), HasSubstr("question  How does <she>"),
                          HasSubstr("label     happy"), Not(HasSubstr("\x1b"))));
  const std::string whole = text_of(model, {.page = Page::kResponses, .selected = 3, .whole_response = true});
  EXPECT_THAT(whole, AllOf(HasSubstr("step 57"), Not(HasSubstr("step 60 "))));
  EXPECT_EQ(draw(model, {.page = Page::kResponses, .selected = 999}, kSmall, Charset::kUnicode).view.selected, 59);
}

TEST(Pages, TimesAndMetricsAreTables) {
  const std::string times = text_of(watched_run(), {.page = Page::kTimes});
  EXPECT_THAT(times, testing::ContainsRegex("60 +2 +█"));
  EXPECT_LT(times.find("60 "), times.find("59 "));
  EXPECT_THAT(text_of(watched_run(), {.page = Page::kMetrics}),
              testing::ContainsRegex("completions/mean_length +10.5  tokens: mean length of"));
}

TEST(Pages, SayWhatIsWrong) {
  Model model = watched_run();
  model.note = "http://x: no answer";
  EXPECT_THAT(text_of(model, {}), HasSubstr("http://x: no answer"));
  model.live->phase = RunPhase::kFailed;
  model.live->message = "group 7 failed";
  model.liveness = Liveness::kEnded;
  EXPECT_THAT(text_of(model, {}), AllOf(HasSubstr("failed"), HasSubstr("group 7 failed"), Not(HasSubstr("left"))));
  EXPECT_THAT(text_of(watched_run(), {.paused = true}), HasSubstr("PAUSED"));
  EXPECT_THAT(text_of(Model{.where = "runs/new"}, {}), AllOf(HasSubstr("waiting"), HasSubstr("no step yet")));
  EXPECT_THAT(text_of(watched_run(), {.help = true}), AllOf(HasSubstr("smoothing: automatic"), HasSubstr("q ")));
}

}  // namespace
}  // namespace prosodia::watch
