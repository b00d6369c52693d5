// All groups that a run folder still has, step by step: from the archive, and the newest, which are not archived yet,
// from completions.jsonl. For reports only.
//
// Thread rule: one thread. Failure rule: damaged files are passed over with a note.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/store/fs.h"
#include "orchestrator/report/report_model.h"

namespace prosodia {

using VisitGroups = std::function<void(uint64_t step, std::vector<ShownGroup> groups)>;

// Steps ascending, each once. Claims are not marked yet. `last_step`: the newest that metrics.jsonl has.
void visit_groups(FileSystem& fs, const RunInput& input, uint64_t last_step, const VisitGroups& visit,
                  std::vector<std::string>& notes);

}  // namespace prosodia
