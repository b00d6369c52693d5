#include "orchestrator/monitor/watch/canvas.h"

#include <gmock/gmock.h>

namespace prosodia::watch {
namespace {

using testing::ElementsAre;

std::string drawn(std::string_view text, int columns, Charset charset = Charset::kUnicode) {
  Canvas canvas({1, 20}, charset);
  canvas.text(0, 0, columns, text);
  return canvas.line(0);
}

TEST(Canvas, TextIsCutAndPlaced) {
  EXPECT_EQ(drawn("hello", 20), "hello");
  EXPECT_EQ(drawn("hello", 5), "hello");
  EXPECT_EQ(drawn("hello", 4), "hel…");
  EXPECT_EQ(drawn("hello", 4, Charset::kAscii), "hel~");
  Canvas canvas({2, 10}, Charset::kUnicode);
  EXPECT_EQ(canvas.text_right(0, 9, "abc"), 6);
  EXPECT_EQ(canvas.text(1, 8, 5, "abc"), 2) << "the edge";
  canvas.put(7, 3, U'x', Style::kPlain);
  EXPECT_EQ(canvas.all(), "      abc\n        a…\n");
}

TEST(Canvas, NothingThatATerminalActsUponGetsThrough) {
  EXPECT_EQ(drawn("a\x1b[2Jb\x07"
                  "c\r",
                  20),
            "a\uFFFD[2Jb\uFFFDc\uFFFD");
  EXPECT_EQ(drawn("a\tb\nc", 20), "a b c");
  EXPECT_EQ(drawn("a\xC2\x9B"
                  "b",
                  20),
            "a\uFFFDb")
      << "C1: CSI in one character";
  EXPECT_EQ(drawn("a\xFF\xC3", 20), "a\uFFFD\uFFFD") << "broken UTF-8";
  EXPECT_EQ(drawn("a\u202Eb", 20), "ab") << "right-to-left override";
}

TEST(Canvas, WideCharactersTakeTwoColumns) {
  EXPECT_EQ(width_of("語a"), 3);
  EXPECT_EQ(drawn("語言a", 20), "語言a");
  EXPECT_EQ(drawn("語言a", 4), "語…") << "half a character does not fit";
  Canvas canvas({1, 4}, Charset::kUnicode);
  canvas.text(0, 0, 4, "語a");
  EXPECT_EQ(canvas.at(0, 1).glyph, 0u);
  EXPECT_EQ(canvas.at(0, 2).glyph, U'a');
  EXPECT_EQ(drawn("語a", 20, Charset::kAscii), "? a");
  EXPECT_EQ(drawn("a─│█±é", 20, Charset::kAscii), "a-|#+?");
}

TEST(Wrap, BreaksAtBlanksAndLineFeeds) {
  EXPECT_THAT(wrap("one two three", 8), ElementsAre("one two ", "three"));
  EXPECT_THAT(wrap("one\n\ntwo", 8), ElementsAre("one", "", "two"));
  EXPECT_THAT(wrap("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
  EXPECT_THAT(wrap("語語語", 4), ElementsAre("語語", "語"));
  EXPECT_THAT(wrap("", 5), ElementsAre(""));
}

}  // namespace
}  // namespace prosodia::watch
