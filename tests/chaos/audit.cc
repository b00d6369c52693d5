// chaos_audit [--unfinished] RUN [SNAPSHOT…]: what a run that was disturbed must have kept. RUN is the folder of a
// finished run (or of a stopped one: --unfinished); each SNAPSHOT is a copy of its journal folder taken earlier, while
// the coordinator stood still.
//
// - every (step, slot) was sampled once, scored once, and trained with the policy version that the lag demands;
// - every step was trained once, in order, and the archive holds the same groups, each once;
// - every record that was durable in a snapshot, so whatever had been acknowledged, is in the final journal, unchanged.
//
// Prints one line of counts. Exit code 1 with the reason when anything does not hold.
#include <cstdio>
#include <map>
#include <set>

#include "data/store/journal.h"
#include "orchestrator/coordinator/archive.h"
#include "orchestrator/coordinator/journal_records.h"

namespace prosodia {
namespace {

struct Counts {
  std::map<uint64_t, int> sampled, scored, archived;  // by group
  std::map<uint64_t, std::string> digest;             // of a group's tokens, as sampled
  uint64_t trained = 0, lives = 0, batched = 0;
  uint32_t prompts_per_step = 0;
  uint64_t lag = 0;
  bool complete = false;
};

std::string tokens_of(const protocol::RolloutResult& result) {
  DigestBuilder builder;
  for (const protocol::Completion& completion : result.completions)
    for (const int32_t token : completion.token_ids) builder.add(static_cast<uint64_t>(token));
  return builder.finish().hex();
}

Status count(const core::Record& record, Counts& counts) {
  if (const auto* created = std::get_if<core::RunCreated>(&record)) {
    counts.prompts_per_step = created->prompts_per_step;
    counts.lag = created->lag;
  } else if (std::holds_alternative<core::LifeStarted>(record)) {
    ++counts.lives;
  } else if (const auto* sampled = std::get_if<core::GroupSampled>(&record)) {
    const uint64_t group = sampled->result.group_id.value, step = group / counts.prompts_per_step;
    const uint64_t version = step > counts.lag ? step - counts.lag : 0;
    if (sampled->result.policy_version.value != version)
      return fail(ErrorCode::kCorruption, "group {} of step {} was sampled with version {}", group, step,
                  sampled->result.policy_version);
    ++counts.sampled[group];
    counts.digest[group] = tokens_of(sampled->result);
  } else if (const auto* scored = std::get_if<core::GroupScored>(&record)) {
    ++counts.scored[scored->result.group_id.value];
  } else if (std::holds_alternative<core::StepBatched>(record)) {
    ++counts.batched;
  } else if (const auto* trained = std::get_if<core::StepTrained>(&record)) {
    if (trained->done.step.value != counts.trained)
      return fail(ErrorCode::kCorruption, "step {} was trained as number {}", trained->done.step, counts.trained);
    ++counts.trained;
  } else if (std::holds_alternative<core::RunComplete>(record)) {
    counts.complete = true;
  }
  return {};
}

Status count_archive(const std::filesystem::path& run, Counts& counts) {
  PROSODIA_ASSIGN(const auto segments, list_segments(posix_file_system(), run / "rollouts"));
  for (const Segment& segment : segments) {
    PROSODIA_ASSIGN(const auto steps, read_segment(segment.path));
    for (const ArchivedStep& step : steps) {
      for (const protocol::BatchGroup& group : step.batch.groups) {
        ++counts.archived[group.group_id.value];
        if (tokens_of(group.rollout) != counts.digest[group.group_id.value])
          return fail(ErrorCode::kCorruption, "{}: group {} has other tokens than the journal", segment.path.string(),
                      group.group_id);
      }
    }
  }
  return {};
}

// Groups below `groups` once, others at most once.
Status each_once(const std::map<uint64_t, int>& seen, uint64_t groups, const char* what) {
  for (const auto& [group, times] : seen)
    if (times > 1) return fail(ErrorCode::kCorruption, "group {} was {} {} times", group, what, times);
  for (uint64_t group = 0; group < groups; ++group) {
    const auto found = seen.find(group);
    const int times = found == seen.end() ? 0 : found->second;
    if (times != 1) return fail(ErrorCode::kCorruption, "group {} was {} {} times", group, what, times);
  }
  return {};
}

using Records = std::vector<JournalRecord>;

Result<Records> read_records(const std::filesystem::path& journal) {
  Records records;
  PROSODIA_TRY(read_journal(posix_file_system(), journal, [&](const JournalRecord& record) -> Status {
    records.push_back(record);
    return {};
  }));
  return records;
}

// The last commit of a snapshot may have been written and not yet synced; nobody has been told of it. It is a record
// group without a durable mark behind it, which only the journal sees; comparing it too asks for more than was
// promised, so records beyond the final journal's are allowed to differ only there: a snapshot is a prefix up to its
// last commit.
Result<uint64_t> lost(const Records& now, const Records& before) {
  uint64_t kept = 0;
  while (kept < before.size() && kept < now.size() && before[kept].type == now[kept].type &&
         before[kept].payload == now[kept].payload)
    ++kept;
  return before.size() - kept;
}

Result<std::string> audit(const std::filesystem::path& run, const std::vector<std::filesystem::path>& snapshots,
                          bool unfinished) {
  Counts counts;
  PROSODIA_ASSIGN(const Records records, read_records(run / "journal"));
  for (const JournalRecord& record : records) {
    PROSODIA_ASSIGN(const auto decoded, decode_record(record.type, record.payload));
    PROSODIA_TRY(count(decoded, counts));
  }
  if (!counts.complete && !unfinished) return fail(ErrorCode::kCorruption, "the run is not complete");
  PROSODIA_TRY(count_archive(run, counts));
  const uint64_t groups = counts.trained * counts.prompts_per_step;
  PROSODIA_TRY(each_once(counts.sampled, groups, "sampled"));
  PROSODIA_TRY(each_once(counts.scored, groups, "scored"));
  PROSODIA_TRY(each_once(counts.archived, unfinished ? 0 : groups, "archived"));
  uint64_t compared = 0;
  for (const auto& snapshot : snapshots) {
    PROSODIA_ASSIGN(const Records before, read_records(snapshot));
    PROSODIA_ASSIGN(const uint64_t missing, lost(records, before));
    if (missing > 0)
      return fail(ErrorCode::kCorruption, "{} of the {} records of {} are not in the final journal", missing,
                  before.size(), snapshot.string());
    compared += before.size();
  }
  return fmt::format(
      "audit: {} steps trained once each, {} groups sampled, scored and archived once each, {} lives of the "
      "coordinator; "
      "{} records of {} journal snapshots compared: acknowledged results lost 0, results trained twice 0",
      counts.trained, groups, counts.lives, compared, snapshots.size());
}

}  // namespace
}  // namespace prosodia

int main(int argc, char** argv) {
  const bool unfinished = argc > 1 && std::string_view(argv[1]) == "--unfinished";
  const int first = unfinished ? 2 : 1;
  if (argc <= first) {
    std::fprintf(stderr, "usage: chaos_audit [--unfinished] RUN [SNAPSHOT…]\n");
    return 2;
  }
  const auto result = prosodia::audit(argv[first], {argv + first + 1, argv + argc}, unfinished);
  if (result) {
    std::puts(result->c_str());
    return 0;
  }
  std::fprintf(stderr, "audit: %s\n", result.error().message.c_str());
  return 1;
}
