// Reading a journal folder: the snapshot, then the segments, as journal.md describes. Used by journal.cc alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "data/store/journal.h"

namespace prosodia {

// What is in the folder, after every record has been visited.
struct JournalScan {
  uint64_t next_lsn = 1;
  uint64_t snapshot_lsn = 0;       // 0 = none
  std::vector<uint64_t> segments;  // first LSNs of those that count, ascending
  std::filesystem::path last;      // the newest segment; empty = none
  uint64_t last_size = 0;          // its bytes
  uint64_t last_good = 0;          // of those, valid; less than a header's = the file holds nothing
  // Left by a crash in the middle of a retirement: segments and snapshots that the newest snapshot stands for.
  std::vector<std::filesystem::path> retired;
};

// kCorruption as Journal::open says. `recovery` is filled in.
Result<JournalScan> scan_journal(FileSystem&, const std::filesystem::path& dir, const JournalVisitor&,
                                 JournalRecovery& recovery);

}  // namespace prosodia
