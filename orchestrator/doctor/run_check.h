// Checks a run folder without changing, locking or needing anything else: what `prosodia doctor RUN` prints.
//
// Read: the journal to its end (LSNs, CRCs, the chain of run digests), every archived segment against the journal,
// every checkpoint against its manifest and the journal, metrics.jsonl, completions.jsonl and event files, leftovers of
// interrupted writes, the lock. A run that is going on may be checked; what is being written then is not called damage.
// Thread rule: single thread (HDF5). Failure rule: never fails; what cannot be read is a finding.
#pragma once

#include <filesystem>
#include <optional>

#include "data/base/digest.h"
#include "data/store/fs.h"
#include "orchestrator/doctor/finding.h"

namespace prosodia::doctor {

struct RunCheckOptions {
  bool drops_old_segments = false;      // archive_keep_steps > 0: the archive need not begin at step 0
  std::optional<Digest> config_digest;  // of config.ini as it is now, when it could be read
};

Findings check_run(FileSystem& fs, const std::filesystem::path& run_dir, const RunCheckOptions& options);

}  // namespace prosodia::doctor
