// The pictures of a run: RUN/curves.svg (reward, accuracy, components, KL) and RUN/report.html (all curves, a summary,
// the newest responses with their scores). Both are self-contained: no script, no network, light and dark.
//
// Pure functions over a RunHistory; called by MonitorSinks and by `report`.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "data/store/fs.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/run_history.h"

namespace prosodia {

std::string curves_svg(const RunHistory&, const std::string& title);

enum class RunState { kRunning, kEnded };  // while it runs, the page reloads itself

std::string report_html(const RunHistory&, std::span<const LoggedResponse> newest, const std::string& title, RunState);

// RUN/curves.svg and RUN/report.html from RUN/metrics.jsonl and RUN/completions.jsonl: what `prosodia report` does.
// kInvalidInput when the folder has no metrics.
Status write_report(FileSystem&, const std::filesystem::path& run_dir, const std::string& title, size_t samples);

}  // namespace prosodia
