// The phases of a run's processes, made small enough for a page: all phases of some steps, and the sums of all. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/trace/trace_reader.h"

namespace prosodia {

struct TimelinePhase {
  size_t process = 0, name = 0;  // indices into Timeline
  int lane = 0;
  uint64_t step = 0;                     // the phase's own; 0 = none
  double begin_ms = 0, duration_ms = 0;  // from the step's begin, cut to its window
};

struct TimelineStep {
  uint64_t step = 0;
  double begin_s = 0, duration_ms = 0;  // begin: since the first phase of the run
  std::vector<TimelinePhase> phases;
  uint64_t left_out = 0;  // the shortest ones, when there are too many
};

struct PhaseTotal {
  size_t process = 0, name = 0;
  uint64_t count = 0;
  double seconds = 0;
};

struct Timeline {
  std::vector<std::string> processes, names;
  std::vector<TimelineStep> steps;  // ascending
  std::vector<PhaseTotal> totals;   // the loops' own lanes: phases that run beside each other are not added up
  uint64_t steps_traced = 0, bad_lines = 0;
  double seconds = 0;  // first begin to last end
};

struct TimelineLimits {
  size_t steps = 40, phases_per_step = 300;
};
Timeline make_timeline(const RunTrace& trace, const TimelineLimits& limits = {});

}  // namespace prosodia
