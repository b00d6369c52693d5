#include "orchestrator/doctor/metrics_check.h"

#include "orchestrator/monitor/event_file.h"
#include "orchestrator/monitor/jsonl_file.h"

namespace prosodia::doctor {
namespace {

using Path = std::filesystem::path;

// Steps after the last checkpoint are reported again by the next start, so only what is before it must be there.
uint64_t must_be_reported(const RunRecords& records) {
  return records.checkpoints.empty() ? 0 : records.checkpoints.back().version.value;
}

Finding check_metrics_file(FileSystem& fs, const Path& run, const RunRecords& records, bool live) {
  const auto reports = read_metrics(fs, run / "metrics.jsonl");
  constexpr const char* kSubject = "metrics.jsonl";
  constexpr const char* kNext = "curves of these steps are wrong; the journal and the checkpoints are not affected";
  if (!reports) return bad(kSubject, reports.error().message, kNext, reports.error().code);
  uint64_t next = 1;  // reports count from 1
  for (const StepReport& report : *reports) {
    if (report.step != next)
      return bad(kSubject, fmt::format("step {} follows step {}", report.step, next - 1), kNext,
                 ErrorCode::kCorruption);
    ++next;
    const auto found = records.steps.find(report.step - 1);
    const auto loss = report.metrics.find(metric::kLoss);
    if (found == records.steps.end()) {
      if (live) break;
      return bad(kSubject, fmt::format("step {} is not in the journal", report.step), kNext, ErrorCode::kCorruption);
    }
    if (loss == report.metrics.end() || loss->second != found->second.loss)
      return bad(kSubject, fmt::format("the loss of step {} is not the journal's {}", report.step, found->second.loss),
                 kNext, ErrorCode::kCorruption);
  }
  if (next - 1 < must_be_reported(records))
    return bad(kSubject,
               fmt::format("ends at step {}, the last checkpoint is of step {}", next - 1, must_be_reported(records)),
               kNext, ErrorCode::kCorruption);
  return ok(kSubject, fmt::format("{} steps, losses are the journal's", next - 1));
}

Finding check_completions(FileSystem& fs, const Path& run, const RunRecords& records) {
  constexpr const char* kSubject = "completions.jsonl";
  constexpr size_t kLooked = 64;
  const auto last = read_last_completions(fs, run / kSubject, kLooked);
  if (!last)
    return bad(kSubject, last.error().message, "the report's sample table is affected, nothing else",
               last.error().code);
  if (last->empty() && must_be_reported(records) > 0)
    return warn(kSubject, "is empty or missing", "the report has no samples to show");
  return ok(kSubject, last->empty() ? "nothing yet" : fmt::format("last response is of step {}", last->back().step));
}

Finding check_events(FileSystem& fs, const Path& run, bool live) {
  constexpr const char* kSubject = "events.out.tfevents";
  const auto entries = fs.list_dir(run);
  if (!entries) return bad(kSubject, entries.error().message, "check the disk", entries.error().code);
  uint64_t files = 0, events = 0;
  for (const DirEntry& entry : *entries) {
    if (!entry.name.starts_with(kSubject)) continue;
    const auto bytes = fs.read_file(run / entry.name);
    if (!bytes) return bad(kSubject, bytes.error().message, "check the disk", bytes.error().code);
    const EventFileScan scan = scan_event_file(*bytes);
    ++files;
    events += scan.events;
    if (scan.good_bytes == bytes->size()) continue;
    if (scan.damaged)
      return bad(kSubject, fmt::format("{}: damaged at byte {}", entry.name, scan.good_bytes),
                 "TensorBoard stops there; `prosodia report` does not need it", ErrorCode::kCorruption);
    if (!live)
      return warn(kSubject, fmt::format("{}: torn after {} events", entry.name, scan.events),
                  "nothing: readers pass over the tail");
  }
  return ok(kSubject, fmt::format("{} file(s), {} events, every checksum holds", files, events));
}

}  // namespace

Findings check_metrics(FileSystem& fs, const Path& run_dir, const RunRecords& records, bool live) {
  return {check_metrics_file(fs, run_dir, records, live), check_completions(fs, run_dir, records),
          check_events(fs, run_dir, live)};
}

}  // namespace prosodia::doctor
