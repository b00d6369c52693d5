#include "orchestrator/coordinator/journal_retirement.h"

#include <algorithm>

#include "orchestrator/coordinator/journal_records.h"

namespace prosodia {

void JournalRetirement::note(const core::RunCore& core, uint64_t lsn, const core::Record& record) {
  if (const auto step = core.step_of(record)) first_lsn_.try_emplace(step->value, lsn);
}

Status JournalRetirement::retire(const core::RunCore& core, Journal& journal) {
  const uint64_t released = core.released_steps();
  if (released <= folded_ || released == tried_) return {};  // once a checkpoint: most times no whole segment can go
  tried_ = released;
  first_lsn_.erase(first_lsn_.begin(), first_lsn_.lower_bound(released));
  uint64_t keep_from = journal.durable_lsn() + 1;
  for (const auto& [step, lsn] : first_lsn_) keep_from = std::min(keep_from, lsn);
  bool written = false;
  PROSODIA_TRY(journal.retire(keep_from, [&] {
    std::vector<JournalRecord> records;
    for (const core::Record& record : core.fold()) {
      EncodedRecord encoded = encode_record(record);
      records.push_back({0, encoded.type, std::move(encoded.payload)});
    }
    written = true;
    return records;
  }));
  if (written) folded_ = released;
  return {};
}

}  // namespace prosodia
