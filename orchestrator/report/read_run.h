// From a run folder to what the page shows of it. Reads only; a run that goes on may be read.
//
// What of a run the page can hold is decided here: curves in at most kCurvePoints points, groups up to a number of
// bytes of the page. Thread rule: one thread. Failure rule: kInvalidInput when the folder is no run; a part that is
// damaged or missing (archive, trace, audio) is left out with a note.
#pragma once

#include "data/base/status.h"
#include "data/store/fs.h"
#include "orchestrator/report/report_model.h"

namespace prosodia {

inline constexpr size_t kCurvePoints = 500;

// Everything but groups, answers and clips.
Result<ShownRun> read_run(FileSystem& fs, const RunInput& input);

// What each group that the folder has would take in the page.
struct GroupSurvey {
  std::vector<uint64_t> steps;
  std::vector<std::vector<size_t>> bytes;  // of the groups of steps[i]
};
// Reads all of them; fills in run.answers, run.groups_there and notes.
GroupSurvey survey_groups(FileSystem& fs, const RunInput& input, ShownRun& run);

// Sets run.groups to as many as fit into the budget, spread over the steps.
void take_groups(FileSystem& fs, const RunInput& input, const GroupSurvey& survey, size_t budget_bytes, ShownRun& run);

void add_clips(size_t most, ShownRun& run);  // of run.groups

}  // namespace prosodia
