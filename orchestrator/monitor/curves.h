// The pictures of a run while it goes on: RUN/curves.svg (reward, accuracy, components, KL) and RUN/report.html (all
// curves, a summary, the newest responses with their scores). Both are self-contained: no script, no network, light and
// dark. The page with everything in it is made at the end: orchestrator/report.
//
// Pure functions over a RunHistory; called by MonitorSinks, `sft` and `report`.
#pragma once

#include <span>
#include <string>

#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/run_history.h"

namespace prosodia {

std::string curves_svg(const RunHistory&, const std::string& title);

enum class RunState { kRunning, kEnded };  // while it runs, the page reloads itself

std::string report_html(const RunHistory&, std::span<const LoggedResponse> newest, const std::string& title, RunState);

}  // namespace prosodia
