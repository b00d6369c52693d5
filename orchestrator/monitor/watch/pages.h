// The screen of `prosodia watch` as a pure function of what is known, what the user chose, and the terminal's size. No
// terminal, clock or file: tests draw every page at 80x24 and 200x50 and read the cells.
//
//   row 0       run, step, state, speed, time left
//   row 1       the pages' names
//   …           the page
//   last row    keys, steps shown, smoothing, trouble with the source
#pragma once

#include "orchestrator/monitor/watch/canvas.h"
#include "orchestrator/monitor/watch/watch_model.h"

namespace prosodia::watch {

inline constexpr Size kSmallest = {10, 40};  // less than that shows one line of text

struct Frame {
  Canvas canvas;
  View view;  // as given, scroll and selection brought back into their range
};

Frame draw(const Model& model, const View& view, Size size, Charset charset);

// Lines between the page names and the last row.
int page_rows(Size size);

}  // namespace prosodia::watch
