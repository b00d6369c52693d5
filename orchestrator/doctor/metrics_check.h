// The files people watch against the journal: metrics.jsonl (one line a step, the journal's losses), completions.jsonl,
// TensorBoard event files. Pure reading. Never fails; what cannot be read is a finding.
#pragma once

#include <filesystem>

#include "data/store/fs.h"
#include "orchestrator/coordinator/run_records.h"
#include "orchestrator/doctor/finding.h"

namespace prosodia::doctor {

// `live`: a coordinator is writing; what is missing at the end is then on its way.
Findings check_metrics(FileSystem& fs, const std::filesystem::path& run_dir, const RunRecords& records, bool live);

}  // namespace prosodia::doctor
