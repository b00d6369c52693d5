// The loops with a screen and a source in memory.
#include "orchestrator/monitor/watch/watch_loop.h"

#include <gmock/gmock.h>

#include <deque>

#include "tests/unit/watch/watch_model_util.h"

namespace prosodia::watch {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ScriptedScreen final : public Screen {
 public:
  explicit ScriptedScreen(std::deque<KeyPress> keys) : keys_(std::move(keys)) {}
  Size size() override { return size_; }
  Charset charset() const override { return Charset::kUnicode; }
  void show(const Canvas& canvas) override {
    EXPECT_EQ(canvas.size(), size_);
    shown.push_back(canvas.all());
  }
  KeyPress wait_key(std::chrono::milliseconds) override {
    if (shown.back().find("step 2/") == std::string::npos && !keys_.empty() && !started_) return {};  // not polled yet
    started_ = true;
    if (keys_.empty()) return {Key::kCharacter, 'q'};
    const KeyPress key = keys_.front();
    keys_.pop_front();
    if (key.key == Key::kResize) size_ = {50, 200};
    return key;
  }
  std::vector<std::string> shown;

 private:
  std::deque<KeyPress> keys_;
  Size size_ = {24, 80};
  bool started_ = false;
};

// Two steps at once, then one a poll to the last.
class ScriptedSource final : public RunSource {
 public:
  explicit ScriptedSource(uint64_t total) : total_(total) {}
  Update poll(double) override {
    Update update;
    update.liveness = Liveness::kRunning;
    do {
      if (next_ <= total_) update.steps.push_back(watched_step(next_++, total_));
    } while (next_ == 2);
    if (next_ > total_) update.liveness = Liveness::kEnded;
    return update;
  }

 private:
  uint64_t total_, next_ = 1;
};

TEST(TerminalLoop, DrawsHandlesKeysAndSizesAndQuits) {
  ScriptedScreen screen({{Key::kCharacter, '5'}, {Key::kResize}, {Key::kCharacter, '?'}, {Key::kCharacter, 'x'}});
  Feed feed(std::make_unique<ScriptedSource>(2), "run", std::chrono::milliseconds(5));
  std::atomic<bool> stop = false;
  run_terminal(screen, feed, stop);
  const auto has = [&](const char* text) {
    return std::any_of(screen.shown.begin(), screen.shown.end(),
                       [&](const auto& s) { return s.find(text) != std::string::npos; });
  };
  EXPECT_TRUE(has("[1 Overview]"));
  EXPECT_TRUE(has("[5 Times]"));
  EXPECT_TRUE(has("Any key goes back"));
  stop = true;
  screen.shown.clear();
  run_terminal(screen, feed, stop);
  EXPECT_TRUE(screen.shown.empty());
}

std::string lines_of(RunSource& source, Follow follow, std::string* notes = nullptr) {
  char *out_text = nullptr, *notes_text = nullptr;
  size_t out_size = 0, notes_size = 0;
  std::FILE* out = open_memstream(&out_text, &out_size);
  std::FILE* note = open_memstream(&notes_text, &notes_size);
  const std::atomic<bool> stop = false;
  EXPECT_TRUE(run_lines(source, follow, out, note, stop));
  std::fclose(out);
  std::fclose(note);
  if (notes != nullptr) *notes = notes_text;
  const std::string text = out_text;
  std::free(out_text);
  std::free(notes_text);
  return text;
}

TEST(Lines, OneAStepToTheEndOfTheRun) {
  ScriptedSource source(3);
  std::string notes;
  const std::string text = lines_of(source, Follow::kUntilTheEnd, &notes);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_THAT(text, AllOf(HasSubstr("1/3 reward 0.333"), HasSubstr("3/3 reward 1.000"), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(notes, HasSubstr("3 of 3 steps"));
}

TEST(Lines, OnceSaysWhatIsThere) {
  ScriptedSource source(9);
  const std::string text = lines_of(source, Follow::kOnce);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
}

class SilentSource final : public RunSource {
 public:
  Update poll(double) override {
    Update update;
    update.liveness = Liveness::kEnded;
    update.note = "nobody answers";
    return update;
  }
};

TEST(Lines, NeverHeardIsAnError) {
  SilentSource source;
  const std::atomic<bool> stop = false;
  const Status status = run_lines(source, Follow::kUntilTheEnd, stdout, stderr, stop);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(status.error().message, HasSubstr("nobody answers"));
}

}  // namespace
}  // namespace prosodia::watch
