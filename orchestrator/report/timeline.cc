#include "orchestrator/report/timeline.h"

#include <algorithm>
#include <limits>
#include <map>

#include "orchestrator/report/spread.h"

namespace prosodia {
namespace {

constexpr std::string_view kStepPhase = "step";  // the coordinator's: from one step's end to the next one's
constexpr std::string_view kWaitPhase = "wait";  // also at the end, for a step that never comes

struct Window {
  int64_t begin_us = std::numeric_limits<int64_t>::max(), end_us = 0;
  bool measured = false;  // by the coordinator
  bool worked = false;    // more than waiting for it
};

// A step trained again after a restart has the window of its last time. Without the coordinator's word (its trace is
// missing, the first step of a process) a step lasts from its first phase to its last.
std::map<uint64_t, Window> windows_of(const RunTrace& trace) {
  std::map<uint64_t, Window> windows;
  for (const ProcessTrace& process : trace.processes) {
    for (const TracePhase& phase : process.phases) {
      const auto step = phase.step();
      if (!step) continue;
      Window& window = windows[*step];
      window.worked |= phase.name != kWaitPhase;
      const bool measured = phase.name == kStepPhase && phase.duration_us > 0;
      if (window.measured && !measured) continue;
      if (measured) window = {phase.begin_us, phase.begin_us + phase.duration_us, true, true};
      window.begin_us = std::min(window.begin_us, phase.begin_us);
      window.end_us = std::max(window.end_us, phase.begin_us + phase.duration_us);
    }
  }
  std::erase_if(windows,
                [](const auto& entry) { return !entry.second.worked || entry.second.end_us <= entry.second.begin_us; });
  return windows;
}

size_t index_of(std::map<std::string, size_t>& indices, std::vector<std::string>& names, const std::string& name) {
  const auto [found, is_new] = indices.try_emplace(name, names.size());
  if (is_new) names.push_back(name);
  return found->second;
}

void keep_longest(TimelineStep& step, size_t most) {
  if (step.phases.size() <= most) return;
  std::stable_sort(step.phases.begin(), step.phases.end(),
                   [](const TimelinePhase& a, const TimelinePhase& b) { return a.duration_ms > b.duration_ms; });
  step.left_out += step.phases.size() - most;
  step.phases.resize(most);
}

}  // namespace

Timeline make_timeline(const RunTrace& trace, const TimelineLimits& limits) {
  Timeline timeline;
  timeline.bad_lines = trace.bad_lines;
  const auto windows = windows_of(trace);
  timeline.steps_traced = windows.size();
  std::vector<std::pair<uint64_t, Window>> all(windows.begin(), windows.end());
  std::vector<std::pair<uint64_t, Window>> chosen;
  for (const size_t i : evenly_spaced(all.size(), limits.steps)) chosen.push_back(all[i]);

  std::map<std::string, size_t> indices;
  int64_t first_us = std::numeric_limits<int64_t>::max(), last_us = 0;
  std::map<std::pair<size_t, size_t>, PhaseTotal> totals;
  for (const auto& [step, window] : chosen)
    timeline.steps.push_back({.step = step, .duration_ms = static_cast<double>(window.end_us - window.begin_us) / 1e3});
  for (const ProcessTrace& process : trace.processes) {
    const size_t p = timeline.processes.size();
    timeline.processes.push_back(process.process);
    for (const TracePhase& phase : process.phases) {
      const size_t name = index_of(indices, timeline.names, phase.name);
      const int64_t begin = phase.begin_us, end = begin + phase.duration_us;
      first_us = std::min(first_us, begin);
      last_us = std::max(last_us, end);
      if (phase.lane == 0) {
        PhaseTotal& total = totals.try_emplace({p, name}, PhaseTotal{p, name}).first->second;
        ++total.count;
        total.seconds += static_cast<double>(phase.duration_us) / 1e6;
      }
      for (size_t s = 0; s < chosen.size(); ++s) {
        const Window& window = chosen[s].second;
        if (end < window.begin_us || begin > window.end_us) continue;
        const int64_t from = std::max(begin, window.begin_us), to = std::min(end, window.end_us);
        timeline.steps[s].phases.push_back({p, name, phase.lane, phase.step().value_or(0),
                                            static_cast<double>(from - window.begin_us) / 1e3,
                                            static_cast<double>(to - from) / 1e3});
      }
    }
  }
  for (size_t s = 0; s < chosen.size(); ++s) {
    timeline.steps[s].begin_s = static_cast<double>(chosen[s].second.begin_us - first_us) / 1e6;
    keep_longest(timeline.steps[s], limits.phases_per_step);
  }
  for (const auto& [key, total] : totals) timeline.totals.push_back(total);
  if (last_us > 0) timeline.seconds = static_cast<double>(last_us - first_us) / 1e6;
  return timeline;
}

}  // namespace prosodia
