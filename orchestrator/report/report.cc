#include "orchestrator/report/report.h"

#include <algorithm>

#include "data/store/atomic_file.h"
#include "orchestrator/report/page.h"
#include "orchestrator/report/page_json.h"
#include "orchestrator/report/read_run.h"

namespace prosodia {
namespace {

constexpr size_t kNoteBytes = 400;  // of note_groups_left_out

void note_groups_left_out(ShownRun& run, double megabytes) {
  if (run.groups_there > run.groups.size())
    run.notes.push_back(fmt::format(
        "{} of {} groups of responses are shown, spread over the steps: the page is kept below {:g} MB (--max_mb). "
        "Accuracy per emotion and confusion count all of them.",
        run.groups.size(), run.groups_there, megabytes));
}

}  // namespace

Result<std::string> make_report(FileSystem& fs, const std::vector<RunInput>& inputs, const ReportOptions& options) {
  std::vector<ShownRun> runs;
  std::vector<GroupSurvey> surveys;
  for (const RunInput& input : inputs) {
    PROSODIA_ASSIGN(ShownRun run, read_run(fs, input));
    surveys.push_back(survey_groups(fs, input, run));
    runs.push_back(std::move(run));
  }
  const auto allowed = static_cast<size_t>(options.max_megabytes * 1e6);
  const size_t fixed = report_page(runs).size();
  // Sizes are known nearly, because equal texts are kept once: too large a page is made again with less.
  constexpr int kTries = 4;
  size_t budget = allowed > fixed ? allowed - fixed : 0;
  for (int attempt = 0; attempt < kTries && budget > 0; ++attempt) {
    for (size_t r = 0; r < runs.size(); ++r) take_groups(fs, inputs[r], surveys[r], budget / runs.size(), runs[r]);
    const size_t size = report_page(runs).size() + kNoteBytes * runs.size();
    if (size <= allowed) break;
    budget = attempt + 2 == kTries ? 0 : budget - std::min(budget, size - allowed + budget / 50);
    for (ShownRun& run : runs) run.groups.clear();
  }
  size_t clips_left = options.audio_clips;
  for (size_t r = 0; r < runs.size(); ++r) {
    if (clips_left > 0) add_clips((clips_left + runs.size() - r - 1) / (runs.size() - r), runs[r]);
    clips_left -= runs[r].clips.size();
    note_groups_left_out(runs[r], options.max_megabytes);
  }
  return report_page(runs);
}

Status write_report(FileSystem& fs, const std::vector<RunInput>& runs, const ReportOptions& options,
                    const std::filesystem::path& page) {
  PROSODIA_ASSIGN(const std::string html, make_report(fs, runs, options));
  return write_file_atomic(fs, page, html);
}

}  // namespace prosodia
