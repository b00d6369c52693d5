// Keys of `prosodia watch`: what each does to the view. Pure.
#pragma once

#include "orchestrator/monitor/watch/watch_model.h"

namespace prosodia::watch {

enum class Key {
  kNone,
  kResize,
  kCharacter,  // see KeyPress::character
  kUp,
  kDown,
  kLeft,
  kRight,
  kPageUp,
  kPageDown,
  kHome,
  kEnd,
  kTab,
  kBackTab,
  kEnter,
  kEscape
};

struct KeyPress {
  Key key = Key::kNone;
  char character = 0;
};

// `page_rows`: lines that one page of the screen holds.
void press(View& view, const KeyPress& pressed, int page_rows);

// "key", "what it does": the help page.
struct KeyHelp {
  const char* keys;
  const char* meaning;
};
extern const KeyHelp kKeyHelp[11];

}  // namespace prosodia::watch
