// What `prosodia watch` knows about a run, and what the user has chosen to see of it. Plain values: a RunSource
// (run_source.h) fills the model, keys (keys.h) change the view, pages (pages.h) draw both.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "orchestrator/monitor/live_status.h"
#include "orchestrator/monitor/run_history.h"

namespace prosodia::watch {

enum class Liveness { kWaiting, kRunning, kEnded };  // nothing heard yet; steps may come; none will come

struct Model {
  std::string where;  // the run folder or address, as the user gave it
  RunHistory history;
  std::vector<LoggedResponse> responses;  // the newest, oldest first
  std::optional<LiveStatus> live;
  Liveness liveness = Liveness::kWaiting;
  std::string note;  // what is wrong with the source; "" = nothing
  double now = 0;    // Unix seconds
};

enum class Page { kOverview, kCurves, kWorkers, kResponses, kTimes, kMetrics };
inline constexpr int kNumPages = 6;

// Steps shown at the right end of the curves; 0 = all.
inline constexpr int kZoomSteps[] = {0, 1000, 300, 100, 30};
// Values that the moving average spans; 0 = a twentieth of what is shown.
inline constexpr int kSmoothing[] = {0, 1, 5, 20, 100};

struct View {
  Page page = Page::kOverview;
  int scroll = 0;  // lines or rows of charts; pages clamp it
  int zoom = 0;    // index into kZoomSteps
  int smoothing = 0;
  int selected = 0;  // response, counted from the newest
  bool whole_response = false;
  bool paused = false;
  bool help = false;
  bool quit = false;
};

}  // namespace prosodia::watch
