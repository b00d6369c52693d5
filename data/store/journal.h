// The coordinator's write-ahead journal: what was acknowledged is in here. Byte grammar and recovery rules: journal.md.
//
// Called by the coordinator (append a batch of records, sync once, then send the acks: group commit). Single thread.
// One writer by a lock file; a second process gets kUnavailable. Failure rule: any error of append() or sync() is
// final, every later call returns it again; exit, and the next start truncates the torn tail and replays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/store/fs.h"

namespace prosodia {

struct JournalRecord {
  uint64_t lsn = 0;   // log sequence number: 1, 2, 3, … without gaps; of a snapshot's record: the snapshot's
  uint16_t type = 0;  // >= 1; the meaning belongs to the caller
  std::vector<std::byte> payload;
};

struct JournalRecovery {
  uint64_t records = 0;          // replayed, those of the snapshot included
  uint64_t snapshot_lsn = 0;     // the snapshot stands for the records up to this one; 0 = there is none
  uint64_t segments = 0;         // files read
  uint64_t truncated_bytes = 0;  // torn tail cut off (never acknowledged)
  std::string message;           // one line for the log; empty when nothing was cut
};

struct JournalOptions {
  uint64_t segment_bytes = 64 << 20;  // start a new file after this size; bytes
};

// Return an error to stop the replay; it comes back with the record's file and offset in front.
using JournalVisitor = std::function<Status(const JournalRecord&)>;

class Journal {
 public:
  static constexpr size_t kMaxPayloadBytes = 256 << 20;

  // Locks `dir` (created when missing), hands every record to `replay` in order, cuts a torn tail, and syncs, so that
  // what was replayed cannot be lost later. kCorruption, naming file and offset, when a record that was durable is
  // damaged or a segment is missing; nothing is changed then.
  static Result<std::unique_ptr<Journal>> open(FileSystem&, const std::filesystem::path& dir,
                                               const JournalVisitor& replay, JournalRecovery* recovery = nullptr,
                                               JournalOptions options = {});
  virtual ~Journal() = default;

  // Returns the record's LSN. Not durable before sync().
  virtual Result<uint64_t> append(uint16_t type, std::span<const std::byte> payload) = 0;
  // Durable on OK: every record appended so far survives a crash, so it may be acknowledged.
  virtual Status sync() = 0;
  // Forgets what is not needed any more: segments that hold no record from `keep_from` on. `snapshot` stands for
  // them: the next replay hands out its records first, then everything that is left, which may overlap with what the
  // snapshot says; so replaying must be idempotent. Nothing happens while no whole segment can go. Durable on OK; a
  // crash leaves the old segments or the snapshot. kStorage is not final: the journal can still be appended to.
  using MakeSnapshot = std::function<std::vector<JournalRecord>()>;  // LSNs are ignored
  virtual Status retire(uint64_t keep_from, const MakeSnapshot& snapshot) = 0;
  virtual uint64_t next_lsn() const = 0;     // what append() will return
  virtual uint64_t durable_lsn() const = 0;  // records up to and including this one survive a crash; 0 = none
};

// Reads a journal without the lock and without changing it, e.g. to inspect a run that is going on. Should the writer
// retire a segment meanwhile, the answer is kInvalidInput (no such file): read again.
Status read_journal(FileSystem&, const std::filesystem::path& dir, const JournalVisitor&,
                    JournalRecovery* recovery = nullptr);

}  // namespace prosodia
