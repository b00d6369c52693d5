// From an importer's plan to what will be decoded: labels mapped, ids checked, transcripts added, splits assigned, in
// the order of the corpus. Internal to data/importers. Pure but for reading the transcripts and the sizes of the files.
#pragma once

#include "data/base/digest.h"
#include "data/importers/import.h"

namespace prosodia {

struct PreparedPlan {
  std::vector<PlannedUtterance> utterances;  // by ascending id
  Digest digest;                             // of ids and audio files (path, size, time of change), in this order
  std::string description;                   // of the corpus
};

// Fills `report` with everything known before decoding.
Result<PreparedPlan> prepare_plan(const Importer& importer, const ImportOptions& options, ImportReport& report);

}  // namespace prosodia
