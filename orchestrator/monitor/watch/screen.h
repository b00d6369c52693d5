// A terminal as `prosodia watch` needs one. Implemented by ncurses_screen.h; tests implement it in memory.
#pragma once

#include <chrono>

#include "orchestrator/monitor/watch/canvas.h"
#include "orchestrator/monitor/watch/keys.h"

namespace prosodia::watch {

class Screen {
 public:
  virtual ~Screen() = default;
  virtual Size size() = 0;
  virtual Charset charset() const = 0;
  virtual void show(const Canvas& canvas) = 0;
  // The next key, or Key::kNone after `limit`.
  virtual KeyPress wait_key(std::chrono::milliseconds limit) = 0;
};

}  // namespace prosodia::watch
