#include "orchestrator/report/rollout_reader.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "data/base/json.h"
#include "data/corpus/dataset.h"
#include "orchestrator/coordinator/archive.h"
#include "orchestrator/coordinator/step_reports.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/report/claim_marks.h"
#include "reward/acoustic_scorer.h"
#include "reward/advantage.h"

namespace prosodia {
namespace {

constexpr size_t kMostUnarchived = 20'000;  // responses read from completions.jsonl

void make_showable(SampledResponse& sample) {
  for (std::string* text : {&sample.id, &sample.prompt, &sample.audio, &sample.solution, &sample.response,
                            &sample.finish_reason, &sample.reasoning_status})
    *text = shown_text(*text);
  sample.prompt = without_audio_tags(std::move(sample.prompt));
}

ShownGroup shown_group(uint64_t step, const protocol::BatchGroup& group) {
  ShownGroup shown{
      .step = step, .group_id = group.group_id.value, .policy_version = group.rollout.policy_version.value};
  for (SampledResponse& sample : sampled_responses(group)) {
    make_showable(sample);
    shown.responses.push_back({.sample = std::move(sample)});
  }
  const auto row = parse_json_object(group.row_json, "dataset row");
  if (!row) return shown;
  shown.transcript = shown_text(text_member(*row, "transcript"));
  if (const auto audios = row->find("audios"); audios != row->end() && audios->is_array() && !audios->empty())
    if (audios->front().is_string()) shown.audio = shown_text(audios->front().get<std::string>());
  if (auto levels = measured_levels(*row)) {
    shown.levels = std::move(*levels);
    shown.level_source = LevelSource::kRow;
  }
  return shown;
}

// As the learner took them: over the whole step, when the run scales by the batch.
void set_advantages(std::vector<ShownGroup>& groups, ScaleRewards scale) {
  std::vector<double> rewards;
  std::vector<uint8_t> present;
  std::vector<int> group_of;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const ShownResponse& response : groups[g].responses) {
      rewards.push_back(response.sample.total);
      present.push_back(response.sample.present && std::isfinite(response.sample.total));
      group_of.push_back(static_cast<int>(g));
    }
  }
  const std::vector<double> result = advantages(rewards, present, group_of, {.scale_rewards = scale});
  size_t at = 0;
  for (ShownGroup& group : groups)
    for (ShownResponse& response : group.responses) response.sample.advantage = result[at++];
}

// The groups among logged responses, in order. Their rows are not logged: levels and transcript come later.
std::map<uint64_t, std::vector<ShownGroup>> logged_groups(std::vector<LoggedResponse> logged, uint64_t after_step) {
  std::map<uint64_t, std::vector<ShownGroup>> steps;
  for (LoggedResponse& response : logged) {
    if (response.step <= after_step) continue;
    auto& groups = steps[response.step];
    SampledResponse& sample = response.response;
    make_showable(sample);
    if (groups.empty() || groups.back().group_id != sample.group_id) {
      groups.push_back({.step = response.step, .group_id = sample.group_id, .policy_version = 0});
      groups.back().audio = sample.audio.substr(0, sample.audio.find(' '));
    }
    groups.back().responses.push_back({.sample = std::move(sample)});
  }
  return steps;
}

}  // namespace

void visit_groups(FileSystem& fs, const RunInput& input, uint64_t last_step, const VisitGroups& visit,
                  std::vector<std::string>& notes) {
  const auto scale = parse_scale_rewards(input.scale_rewards).value_or(ScaleRewards::kGroup);
  const auto segments = list_segments(fs, input.dir / "rollouts");
  if (!segments) notes.push_back(segments.error().message);
  uint64_t archived = 0;  // steps up to this one, counted from 1, have been visited
  for (const Segment& segment : segments.value_or(std::vector<Segment>())) {
    if (archived == 0 && segment.first_step > 0)
      notes.push_back(fmt::format("The responses of steps 1 to {} are not archived any more.", segment.first_step));
    const auto steps = read_segment(segment.path);
    if (!steps) notes.push_back("Left out: " + steps.error().message);
    for (const ArchivedStep& archived_step : steps.value_or(std::vector<ArchivedStep>())) {
      const uint64_t step = archived_step.batch.step.value + 1;
      if (step <= archived) continue;
      std::vector<ShownGroup> groups;
      for (const auto& group : archived_step.batch.groups) groups.push_back(shown_group(step, group));
      set_advantages(groups, scale);
      visit(step, std::move(groups));
    }
    archived = std::max(archived, segment.last_step + 1);
  }
  if (archived >= last_step) return;
  auto newest = read_last_completions(fs, input.dir / "completions.jsonl", kMostUnarchived);
  if (!newest) {
    notes.push_back(newest.error().message);
    return;
  }
  auto logged = logged_groups(std::move(*newest), archived);
  if (logged.empty()) return;
  notes.push_back(fmt::format("The responses of steps {} to {} are from completions.jsonl, which holds a part of each.",
                              logged.begin()->first, logged.rbegin()->first));
  for (auto& [step, groups] : logged) visit(step, std::move(groups));
}

}  // namespace prosodia
