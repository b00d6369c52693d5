#include "orchestrator/coordinator/run_records.h"

#include <algorithm>

#include "orchestrator/coordinator/journal_records.h"

namespace prosodia {

Result<RunRecords> read_run_records(FileSystem& fs, const std::filesystem::path& run_dir) {
  RunRecords run;
  PROSODIA_ASSIGN(const bool exists, fs.exists(run_dir / "journal"));
  if (!exists) return run;
  const auto visit = [&run](const JournalRecord& record) -> Status {
    PROSODIA_ASSIGN(const core::Record decoded, decode_record(record.type, record.payload));
    if (const auto* created = std::get_if<core::RunCreated>(&decoded)) {
      run.created = *created;
    } else if (const auto* started = std::get_if<core::LifeStarted>(&decoded)) {
      run.lives = std::max(run.lives, started->life);  // they count up from 1
    } else if (const auto* initial = std::get_if<core::InitialWeights>(&decoded)) {
      run.initial_weights = initial->digest;
    } else if (const auto* trained = std::get_if<core::StepTrained>(&decoded)) {
      run.steps[trained->done.step.value] = {trained->done.batch_digest, trained->done.weights_digest,
                                             trained->run_digest, trained->done.loss};
    } else if (const auto* folded = std::get_if<core::StepsFolded>(&decoded)) {
      uint64_t step = folded->first.value;
      for (const core::FoldedStep& facts : folded->steps) {
        run.steps[step++] = {facts.batch_digest, facts.weights_digest, facts.run_digest, facts.loss};
      }
    } else if (const auto* saved = std::get_if<core::CheckpointSaved>(&decoded)) {
      run.checkpoints.push_back(*saved);
    } else if (const auto* complete = std::get_if<core::RunComplete>(&decoded)) {
      run.complete = *complete;
    }
    return {};
  };
  PROSODIA_TRY(read_journal(fs, run_dir / "journal", visit, &run.recovery));
  return run;
}

}  // namespace prosodia
