#include "orchestrator/report/read_run.h"

#include <algorithm>
#include <set>

#include "data/trace/trace_reader.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/report/claim_marks.h"
#include "orchestrator/report/clip_source.h"
#include "orchestrator/report/page_json.h"
#include "orchestrator/report/rollout_reader.h"
#include "orchestrator/report/spread.h"

namespace prosodia {
namespace {

void mark(ShownGroup& group) {
  for (ShownResponse& response : group.responses) {
    response.claims.clear();
    mark_claims(response, group.levels);
  }
}

std::vector<ShownGroup> chosen_groups(FileSystem& fs, const RunInput& input, uint64_t last_step,
                                      const GroupSurvey& survey, const std::vector<std::pair<size_t, size_t>>& chosen) {
  std::vector<ShownGroup> taken;
  std::vector<std::string> said_already;
  size_t position = 0;
  auto next = chosen.begin();
  visit_groups(
      fs, input, last_step,
      [&](uint64_t step, std::vector<ShownGroup> groups) {
        if (position < survey.steps.size() && survey.steps[position] == step) {  // a run that goes on may have more
          for (; next != chosen.end() && next->first == position; ++next)
            if (next->second < groups.size()) taken.push_back(std::move(groups[next->second]));
        }
        ++position;
      },
      said_already);
  return taken;
}

}  // namespace

Result<ShownRun> read_run(FileSystem& fs, const RunInput& input) {
  PROSODIA_ASSIGN(const auto reports, read_metrics(fs, input.dir / "metrics.jsonl"));
  if (reports.empty())
    return fail(ErrorCode::kInvalidInput,
                "{}: no metrics.jsonl with a finished step: is this the --output_dir of a run?", input.dir.string());
  ShownRun run;
  run.name = shown_text(input.name);
  run.path = shown_text(std::filesystem::absolute(input.dir).string());
  for (const StepReport& report : reports) run.history.add(report);
  const size_t stride = (reports.size() + kCurvePoints - 1) / kCurvePoints;
  for (size_t end = stride; end < reports.size() + stride; end += stride)
    run.seconds.push_back(reports[std::min(end, reports.size()) - 1].wall_time - reports.front().wall_time);
  run.config = input.config;
  for (ConfigValue& value : run.config) value.value = shown_text(value.value);
  if (auto trace = read_traces(fs, input.dir)) {
    run.timeline = make_timeline(*trace);
  } else {
    run.notes.push_back("No timeline: " + trace.error().message);
  }
  return run;
}

GroupSurvey survey_groups(FileSystem& fs, const RunInput& input, ShownRun& run) {
  GroupSurvey survey;
  std::set<std::string> seen;
  visit_groups(
      fs, input, run.history.last_step(),
      [&](uint64_t step, std::vector<ShownGroup> groups) {
        survey.steps.push_back(step);
        survey.bytes.emplace_back();
        run.groups_there += groups.size();
        for (ShownGroup& group : groups) {
          for (const ShownResponse& response : group.responses)
            run.answers.add(step, response.sample.solution, response.sample.response);
          mark(group);
          survey.bytes.back().push_back(group_bytes(group, seen));
        }
      },
      run.notes);
  return survey;
}

void take_groups(FileSystem& fs, const RunInput& input, const GroupSurvey& survey, size_t budget_bytes, ShownRun& run) {
  run.groups = chosen_groups(fs, input, run.history.last_step(), survey, choose_groups(survey.bytes, budget_bytes));
  std::vector<std::string> notes;
  ClipSource source;
  source.complete_levels(run.groups, notes);
  for (ShownGroup& group : run.groups) mark(group);
  run.level_notes = std::move(notes);
}

void add_clips(size_t most, ShownRun& run) { run.clips = ClipSource().clips(run.groups, most, run.notes); }

}  // namespace prosodia
