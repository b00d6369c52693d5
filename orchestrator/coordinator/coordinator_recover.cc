// The coordinator's memory: what the journal and the archive bring back, and what they may forget.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "orchestrator/coordinator/coordinator_process.h"
#include "orchestrator/coordinator/journal_records.h"

namespace prosodia {

Status Coordinator::recover() {
  if (options_.rows.empty()) return fail(ErrorCode::kInvalidInput, "the dataset has no rows");
  PROSODIA_TRY(fs_.create_dirs(options_.run_dir));
  PROSODIA_ASSIGN(segments_, list_segments(fs_, archive_dir()));
  archived_ = archived_before(segments_, 0);
  core::RunOptions run = options_.run;
  run.plan.num_rows = options_.rows.size();
  run.dataset_digest = digest_of_rows(options_.rows);
  run.run_id = RunId(protocol::random_u64());
  run.archived_before = options_.archive_steps > 0 ? archived_ : run.plan.total_steps;
  core_ =
      std::make_unique<core::RunCore>(run, [this](uint64_t row) -> const std::string& { return options_.rows[row]; });
  PROSODIA_TRY(open_journal());
  PROSODIA_TRY(report_again());
  return drive(core_->start(protocol::steady_now_ms()));
}

Status Coordinator::open_journal() {
  JournalRecovery recovery;
  const auto replay = [this](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    PROSODIA_TRY(core_->replay(decoded));
    retirement_.note(*core_, record.lsn, decoded);
    if (!std::holds_alternative<core::StepsFolded>(decoded) || options_.archive_steps == 0) return {};
    // Folded steps were archived; their segments may have been dropped since.
    archived_ = archived_before(segments_, core_->folded_steps());
    core_->archived(StepId(archived_));
    return {};
  };
  PROSODIA_ASSIGN(journal_, Journal::open(fs_, journal_dir(), replay, &recovery,
                                          {.segment_bytes = options_.journal_segment_bytes}));
  retirement_.set_folded_steps(core_->folded_steps());
  if (!recovery.message.empty()) spdlog::warn("journal: {}", recovery.message);
  if (recovery.records > 0) {
    spdlog::info("resuming: {} journal records, {} steps trained, newest checkpoint of version {}, run digest {}",
                 recovery.records, core_->trained_steps(), core_->last_checkpoint(), core_->run_digest().short_hex());
  }
  return {};
}

// The sink made its files durable when the last checkpoint was; later steps may be missing from them.
Status Coordinator::report_again() {
  for (uint64_t step = core_->last_checkpoint().value; step < core_->trained_steps(); ++step) {
    if (core_->has_groups(StepId(step))) PROSODIA_TRY(report(StepId(step)));
  }
  if (options_.archive_steps == 0) return {};
  const uint64_t whole = core_->trained_steps() / options_.archive_steps * options_.archive_steps;
  return archive_through(whole);
}

Status Coordinator::reload(const core::Reload& request) {
  spdlog::warn("the learner starts from version {}: reading the batches of steps {} to {} back", request.from,
               request.from, request.to.value - 1);
  PROSODIA_TRY(reload_archived(request));
  PROSODIA_TRY(read_journal(fs_, journal_dir(), [&](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    core_->reload(request.from, decoded);
    return {};
  }));
  return drive(core_->reload_done(request.from));
}

// Steps whose records were retired lie in the archive alone.
Status Coordinator::reload_archived(const core::Reload& request) {
  const uint64_t folded = retirement_.folded_steps();
  for (const Segment& segment : segments_) {
    if (segment.first_step >= folded || segment.last_step < request.from.value) continue;
    PROSODIA_ASSIGN(const auto steps, read_segment(segment.path));
    for (const ArchivedStep& archived : steps) {
      const protocol::StepBatch& batch = archived.batch;
      const bool is_ours =
          batch.step.value < folded && batch.batch_digest == core_->step_record(batch.step).facts.batch_digest;
      if (!is_ours) continue;
      for (const protocol::BatchGroup& group : batch.groups) {
        core_->reload(request.from, core::GroupSampled{group.rollout, ""});
        core_->reload(request.from, core::GroupScored{group.reward, 1, ""});
      }
    }
  }
  return {};
}

// Without an archive the journal is the only copy of the groups, and keeps everything.
Status Coordinator::retire_journal() {
  if (options_.archive_steps == 0 || outcome_) return {};
  const uint64_t folded_before = retirement_.folded_steps();
  if (const Status status = retirement_.retire(*core_, *journal_); !status) {
    if (!journal_->sync()) return status;  // the journal has failed for good
    spdlog::warn("old journal segments stay for now: {}", status.error().message);
  }
  if (retirement_.folded_steps() == folded_before) return {};
  spdlog::info("journal: steps before {} are in the archive and need no records any more", retirement_.folded_steps());
  return drop_old_segments();
}

}  // namespace prosodia
