// What can be asked about a run folder from outside (coordinator.h).
#include <algorithm>

#include "data/store/journal.h"
#include "orchestrator/coordinator/coordinator.h"
#include "orchestrator/coordinator/journal_records.h"

namespace prosodia {

Digest digest_of_rows(const std::vector<std::string>& rows) {
  DigestBuilder builder;
  builder.add("prosodia rows 1").add(uint64_t{rows.size()});
  for (const std::string& row : rows) builder.add(row);
  return builder.finish();
}

Result<std::unique_ptr<FileLock>> lock_run(FileSystem& fs, const std::filesystem::path& run_dir) {
  PROSODIA_ASSIGN(const bool exists, fs.exists(run_dir));
  PROSODIA_TRY(fs.create_dirs(run_dir));
  if (!exists) {  // rows, responses and weights are for the user and the group; whoever opens it further means to
    std::error_code ignored;
    std::filesystem::permissions(run_dir, std::filesystem::perms::others_all, std::filesystem::perm_options::remove,
                                 ignored);
  }
  auto lock = fs.lock_file(run_dir / "LOCK");
  if (!lock && lock.error().code == ErrorCode::kUnavailable) {
    return fail(ErrorCode::kUnavailable, "another coordinator runs in this folder: {}", lock.error().message);
  }
  return lock;
}

Result<RunStatus> inspect_run(FileSystem& fs, const std::filesystem::path& run_dir) {
  RunStatus status;
  PROSODIA_ASSIGN(const bool exists, fs.exists(run_dir / "journal"));
  if (!exists) return status;
  PROSODIA_TRY(read_journal(fs, run_dir / "journal", [&](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    status.exists = true;
    if (const auto* trained = std::get_if<core::StepTrained>(&decoded)) {
      status.trained_steps = std::max(status.trained_steps, trained->done.step.value + 1);
      status.run_digest = trained->run_digest;
    } else if (const auto* folded = std::get_if<core::StepsFolded>(&decoded)) {
      status.trained_steps = std::max(status.trained_steps, folded->first.value + folded->steps.size());
      if (!folded->steps.empty()) status.run_digest = folded->steps.back().run_digest;
    } else if (const auto* saved = std::get_if<core::CheckpointSaved>(&decoded)) {
      status.last_checkpoint = std::max(status.last_checkpoint, saved->version.value);
    } else if (std::holds_alternative<core::RunComplete>(decoded)) {
      status.complete = true;
    }
    return {};
  }));
  status.first_report_step = status.last_checkpoint + 1;
  return status;
}

}  // namespace prosodia
