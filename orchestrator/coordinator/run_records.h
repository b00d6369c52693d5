// What a run's journal says step by step, for those who compare with it or check it (`replay`, `doctor`). Reads without
// locking or changing anything; a run that is going on may be read.
// Failure rule: as read_journal; kCorruption also when a record does not follow its grammar.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"
#include "data/store/fs.h"
#include "data/store/journal.h"
#include "orchestrator/core/records.h"

namespace prosodia {

struct RecordedStep {
  Digest batch, weights, run_digest;  // weights and run_digest after the step
  double loss = 0;
};

struct RunRecords {
  std::optional<core::RunCreated> created;  // nothing: no journal, or an empty one
  std::optional<Digest> initial_weights;    // of version 0
  std::map<uint64_t, RecordedStep> steps;   // trained ones
  std::vector<core::CheckpointSaved> checkpoints;
  std::optional<core::RunComplete> complete;
  uint64_t lives = 0;  // coordinator processes so far
  JournalRecovery recovery;
};

Result<RunRecords> read_run_records(FileSystem& fs, const std::filesystem::path& run_dir);

}  // namespace prosodia
