#include "orchestrator/monitor/watch/watch_loop.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "data/base/clock.h"
#include "orchestrator/monitor/progress.h"
#include "orchestrator/monitor/watch/pages.h"

namespace prosodia::watch {

using namespace std::chrono_literals;

void run_terminal(Screen& screen, Feed& feed, const std::atomic<bool>& stop) {
  View view;
  uint64_t drawn_changes = 0;
  bool dirty = true;
  while (!view.quit && !stop) {
    const uint64_t changes = feed.changes();
    if (dirty || (changes != drawn_changes && !view.paused)) {
      std::optional<Frame> frame;
      const Size size = screen.size();
      feed.with_model([&](const Model& model) { frame.emplace(draw(model, view, size, screen.charset())); });
      view = frame->view;
      screen.show(frame->canvas);
      drawn_changes = changes;
      dirty = false;
    }
    const KeyPress pressed = screen.wait_key(100ms);
    dirty = pressed.key != Key::kNone;
    const bool was_paused = view.paused;
    press(view, pressed, page_rows(screen.size()));
    if (view.paused != was_paused) feed.pause(view.paused);
  }
}

namespace {

void describe_end(const Model& model, std::FILE* notes) {
  const RunHistory& history = model.history;
  const std::string steps = history.total_steps() > 0
                                ? fmt::format("{} of {} steps", history.last_step(), history.total_steps())
                                : fmt::format("{} steps", history.last_step());
  if (model.live && has_ended(model.live->phase))
    fmt::print(notes, "watch: the run is {}, {}{}{}\n", name(model.live->phase), steps,
               model.live->message.empty() ? "" : ": ", model.live->message);
  else
    fmt::print(notes, "watch: nobody works on this run; {}\n", steps);
}

}  // namespace

Status run_lines(RunSource& source, Follow follow, std::FILE* out, std::FILE* notes, const std::atomic<bool>& stop) {
  Model model;
  ProgressPrinter printer(out, terminal_columns(out));
  std::string last_note;
  uint64_t printed = 0;
  while (!stop) {
    Update update = source.poll(unix_seconds());
    for (const StepReport& step : update.steps) {
      if (update.anew && step.step <= printed) continue;  // steps that come again say the same
      printer.on_step(step);
      printed = step.step;
    }
    if (std::ferror(out)) return fail(ErrorCode::kStorage, "standard output takes no more");
    apply(std::move(update), model);
    if (!model.note.empty() && model.note != last_note && follow == Follow::kUntilTheEnd && printed > 0)
      fmt::print(notes, "watch: {}\n", model.note);
    last_note = model.note;
    if (follow == Follow::kOnce || model.liveness == Liveness::kEnded) break;
    for (int slept = 0; slept < 10 && !stop; ++slept) std::this_thread::sleep_for(100ms);
  }
  if (printed == 0 && !model.live && !model.note.empty()) return fail(ErrorCode::kUnavailable, "{}", model.note);
  if (follow == Follow::kUntilTheEnd && !stop) describe_end(model, notes);
  return {};
}

}  // namespace prosodia::watch
