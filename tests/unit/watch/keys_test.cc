#include "orchestrator/monitor/watch/keys.h"

#include <gmock/gmock.h>

namespace prosodia::watch {
namespace {

View after(View view, std::initializer_list<KeyPress> keys) {
  for (const KeyPress& key : keys) press(view, key, 20);
  return view;
}
KeyPress type(char character) { return {Key::kCharacter, character}; }

TEST(Keys, TurnPages) {
  EXPECT_EQ(after({}, {type('3')}).page, Page::kWorkers);
  EXPECT_EQ(after({}, {{Key::kTab}}).page, Page::kCurves);
  EXPECT_EQ(after({}, {{Key::kLeft}}).page, Page::kMetrics);
  EXPECT_EQ(after({}, {type('6'), {Key::kRight}}).page, Page::kOverview);
  EXPECT_EQ(after({.scroll = 5}, {type('2')}).scroll, 0);
  EXPECT_EQ(after({}, {type('7')}).page, Page::kOverview) << "no such page";
}

TEST(Keys, ScrollAndChoose) {
  const View times{.page = Page::kTimes};
  EXPECT_EQ(after(times, {{Key::kDown}, {Key::kDown}, {Key::kUp}}).scroll, 1);
  EXPECT_EQ(after(times, {{Key::kUp}}).scroll, 0);
  EXPECT_EQ(after(times, {{Key::kPageDown}}).scroll, 19);
  EXPECT_EQ(after(times, {{Key::kEnd}, {Key::kHome}}).scroll, 0);
  const View responses{.page = Page::kResponses};
  EXPECT_EQ(after(responses, {{Key::kDown}}).selected, 1);
  const View whole = after(responses, {{Key::kDown}, {Key::kEnter}, {Key::kDown}});
  EXPECT_TRUE(whole.whole_response);
  EXPECT_EQ(whole.selected, 1);
  EXPECT_EQ(whole.scroll, 1);
  EXPECT_FALSE(after(whole, {{Key::kEscape}}).whole_response);
}

TEST(Keys, ZoomSmoothPauseHelpQuit) {
  EXPECT_EQ(after({}, {type('-')}).zoom, 0);
  EXPECT_EQ(after({}, {type('+'), type('+')}).zoom, 2);
  EXPECT_EQ(after({}, {type('+'), type('+'), type('+'), type('+'), type('+'), type('+')}).zoom, 4);
  EXPECT_EQ(after({}, {type('s')}).smoothing, 1);
  EXPECT_EQ(after({}, {type('s'), type('s'), type('s'), type('s'), type('s')}).smoothing, 0);
  EXPECT_TRUE(after({}, {type(' ')}).paused);
  EXPECT_FALSE(after({}, {type('p'), type('p')}).paused);
  EXPECT_TRUE(after({}, {type('?')}).help);
  EXPECT_FALSE(after({}, {type('?'), {Key::kResize}, type('3')}).help) << "any key leaves it";
  EXPECT_EQ(after({}, {type('?'), type('3')}).page, Page::kOverview);
  EXPECT_TRUE(after({}, {type('q')}).quit);
}

}  // namespace
}  // namespace prosodia::watch
