// What the coordinator writes for each trained step: its report, and the archive.
#include <algorithm>
#include <chrono>

#include "data/base/clock.h"
#include "orchestrator/coordinator/coordinator_process.h"
#include "orchestrator/coordinator/step_reports.h"

namespace prosodia {

Status Coordinator::on_step_finished(StepId step) {
  PROSODIA_TRY(report(step));
  const uint64_t done = step.value + 1;
  if (options_.archive_steps > 0 && done % options_.archive_steps == 0) return archive_through(done);
  return {};
}

Status Coordinator::report(StepId step) {
  const TraceSpan span(options_.trace, "report", step.value + 1);
  trace_step(step);
  StepReportInputs inputs;
  inputs.wall_time = unix_seconds();
  inputs.total_tokens = core_->num_tokens(StepId(step.value + 1));
  if (syncs_ > 0) inputs.journal_sync_seconds = sync_seconds_ / static_cast<double>(syncs_);
  sync_seconds_ = 0;
  syncs_ = 0;
  return sink_.on_step(make_step_report(*core_, step, inputs));
}

// In a lane of its own: a step ends while the journal is being synced.
void Coordinator::trace_step(StepId step) const {
  if (options_.trace == nullptr) return;
  const std::chrono::duration<double> seconds(core_->step_record(step).facts.times.step);
  const auto end = TraceWriter::Clock::now();
  options_.trace->add("step", end - std::chrono::duration_cast<TraceWriter::Clock::duration>(seconds), end,
                      {{"step", step.value + 1}}, 1);
}

// One segment of everything from the last segment up to `end`, unless that is nothing.
Status Coordinator::archive_through(uint64_t end) {
  std::vector<ArchivedStep> steps;
  for (uint64_t step = archived_; step < end; ++step) {
    if (!core_->has_groups(StepId(step))) {
      return fail(ErrorCode::kCorruption, "step {} is neither archived in {} nor in memory", step,
                  archive_dir().string());
    }
    protocol::StepBatch batch;
    batch.step = StepId(step);
    const core::FoldedStep& facts = core_->step_record(StepId(step)).facts;
    batch.batch_digest = facts.batch_digest;
    batch.groups = core_->step_groups(StepId(step));
    steps.push_back({std::move(batch), facts.loss, facts.weights_digest});
  }
  if (steps.empty()) return {};
  const TraceSpan span(options_.trace, "archive", end);
  PROSODIA_TRY(write_segment(fs_, archive_dir(), steps));
  archived_ = end;
  core_->archived(StepId(end));
  PROSODIA_ASSIGN(segments_, list_segments(fs_, archive_dir()));
  return drop_old_segments();
}

// archive_keep_steps: segments whose steps are all older, once no replay can want them from memory or the journal.
Status Coordinator::drop_old_segments() {
  if (options_.archive_keep_steps == 0) return {};
  const uint64_t kept = archived_ > options_.archive_keep_steps ? archived_ - options_.archive_keep_steps : 0;
  const uint64_t end = std::min(kept, retirement_.folded_steps());
  while (!segments_.empty() && segments_.front().last_step < end) {
    PROSODIA_TRY(fs_.remove(segments_.front().path));
    segments_.erase(segments_.begin());
  }
  return {};
}

}  // namespace prosodia
