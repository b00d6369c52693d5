// The terminal by ncurses: alternate screen, keys, colours where there are some, sizes as they change. The character
// set follows the locale (LC_ALL, LC_CTYPE, LANG): UTF-8 or ASCII.
//
// One at a time in a process. The terminal is put back when the object ends, and when the process dies of a signal that
// can be caught (SIGHUP, SIGQUIT, SIGSEGV, SIGABRT …) before it does.
#pragma once

#include <memory>

#include "data/base/status.h"
#include "orchestrator/monitor/watch/screen.h"

namespace prosodia::watch {

// kUsage when stdout is no terminal, or $TERM is one that ncurses does not know.
Result<std::unique_ptr<Screen>> open_terminal();

}  // namespace prosodia::watch
