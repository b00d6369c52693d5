// The two faces of `prosodia watch`: a terminal, and plain lines for pipes and logs.
#pragma once

#include <atomic>
#include <cstdio>
#include <memory>

#include "orchestrator/monitor/watch/feed.h"
#include "orchestrator/monitor/watch/run_source.h"
#include "orchestrator/monitor/watch/screen.h"

namespace prosodia::watch {

// Draws and handles keys until the user quits or `stop` is set. The calling thread.
void run_terminal(Screen& screen, Feed& feed, const std::atomic<bool>& stop);

enum class Follow { kUntilTheEnd, kOnce };  // once: what is there now

// One line a step on `out` (monitor/progress.h); what else there is to say, on `notes`. Ends with the run, or when
// `stop` is set. kUnavailable when nothing was ever heard; kStorage when `out` takes no more.
Status run_lines(RunSource& source, Follow follow, std::FILE* out, std::FILE* notes, const std::atomic<bool>& stop);

}  // namespace prosodia::watch
