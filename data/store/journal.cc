#include "data/store/journal.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "data/base/check.h"
#include "data/store/atomic_file.h"
#include "data/store/journal_format.h"
#include "data/store/journal_scan.h"

namespace prosodia {
namespace {

namespace format = journal_format;
using Path = std::filesystem::path;

class FileJournal final : public Journal {
 public:
  FileJournal(FileSystem& fs, Path dir, JournalOptions options, std::unique_ptr<FileLock> lock)
      : fs_(fs), dir_(std::move(dir)), options_(options), lock_(std::move(lock)) {}

  // The last segment is written anew from what was read. That cuts a torn tail; and it makes durable what was only in
  // the page cache: after a failed fsync Linux may hold pages for clean that never reached the disk, so that syncing
  // the old file again would prove nothing.
  Status start(const JournalScan& scan) {
    next_lsn_ = scan.next_lsn;
    durable_lsn_ = next_lsn_ - 1;
    segments_ = scan.segments;
    for (const Path& path : scan.retired) PROSODIA_TRY(fs_.remove(path));
    if (scan.last.empty()) return open_segment();
    if (scan.last_good < format::kSegmentHeaderBytes) {
      segments_.pop_back();  // it is opened again under the same name
      return open_segment();
    }
    PROSODIA_ASSIGN(auto bytes, fs_.read_file(scan.last));
    bytes.resize(std::min<size_t>(bytes.size(), scan.last_good));
    PROSODIA_TRY(write_file_atomic(fs_, scan.last, bytes));
    PROSODIA_ASSIGN(file_, fs_.open_append(scan.last, OpenMode::kAppend));
    return write_mark();
  }

  Result<uint64_t> append(uint16_t type, std::span<const std::byte> payload) override {
    PROSODIA_CHECK(type != format::kDurableMark, "record type 0 is the journal's own");
    PROSODIA_CHECK(payload.size() <= kMaxPayloadBytes, "payload of {} bytes", payload.size());
    if (failure_) return tl::unexpected(*failure_);
    format::append_record(buffer_, {.type = type, .lsn = next_lsn_, .durable_lsn = durable_lsn_}, payload);
    return next_lsn_++;
  }

  Status sync() override {
    if (failure_) return tl::unexpected(*failure_);
    if (buffer_.empty()) return {};
    if (auto status = write_buffer(); !status) return final_failure(status.error());
    // The records are durable; should the mark fail, that is the next call's error.
    if (auto status = write_mark(); !status) (void)final_failure(status.error());
    return {};
  }

  Status retire(uint64_t keep_from, const MakeSnapshot& snapshot) override {
    if (failure_) return tl::unexpected(*failure_);
    size_t first_kept = 0;  // the newest segment always stays
    while (first_kept + 1 < segments_.size() && segments_[first_kept + 1] <= keep_from) ++first_kept;
    if (first_kept == 0) return {};
    const uint64_t lsn = segments_[first_kept] - 1;
    const std::vector<std::byte> bytes = format::encode_snapshot(lsn, snapshot());
    PROSODIA_TRY(write_file_atomic(fs_, dir_ / format::snapshot_name(lsn), bytes));
    // From here on they are leftovers that the next start removes, should this not come to its end.
    for (size_t i = 0; i < first_kept; ++i) PROSODIA_TRY(fs_.remove(dir_ / format::segment_name(segments_[i])));
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(first_kept));
    PROSODIA_ASSIGN(const auto entries, fs_.list_dir(dir_));
    for (const DirEntry& entry : entries) {
      const auto older = format::snapshot_lsn_of(entry.name);
      if (older && *older < lsn) PROSODIA_TRY(fs_.remove(dir_ / entry.name));
    }
    return fs_.sync_dir(dir_);
  }

  uint64_t next_lsn() const override { return next_lsn_; }
  uint64_t durable_lsn() const override { return durable_lsn_; }

 private:
  Status write_buffer() {
    if (file_->size() >= options_.segment_bytes) {
      PROSODIA_TRY(file_->sync());  // its last mark; only the newest segment may have an unsynced tail
      PROSODIA_TRY(file_->close());
      PROSODIA_TRY(open_segment());
    }
    PROSODIA_TRY(file_->append(buffer_));
    PROSODIA_TRY(file_->sync());
    buffer_.clear();
    durable_lsn_ = next_lsn_ - 1;
    return {};
  }

  Status write_mark() {
    std::vector<std::byte> mark;
    format::append_record(mark, {.type = format::kDurableMark, .lsn = durable_lsn_, .durable_lsn = durable_lsn_}, {});
    return file_->append(mark);
  }

  Status open_segment() {
    const uint64_t first_lsn = durable_lsn_ + 1;
    PROSODIA_ASSIGN(file_, fs_.open_append(dir_ / format::segment_name(first_lsn), OpenMode::kTruncate));
    PROSODIA_TRY(file_->append(format::encode_segment_header(first_lsn)));
    PROSODIA_TRY(file_->sync());
    segments_.push_back(first_lsn);
    return fs_.sync_dir(dir_);
  }

  Status final_failure(const Error& error) {
    failure_ = error;
    return tl::unexpected(error);
  }

  FileSystem& fs_;
  Path dir_;
  JournalOptions options_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<WritableFile> file_;
  std::vector<uint64_t> segments_;  // first LSNs, ascending
  std::vector<std::byte> buffer_;   // appended, not written yet
  uint64_t next_lsn_ = 1, durable_lsn_ = 0;
  std::optional<Error> failure_;
};

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(FileSystem& fs, const std::filesystem::path& dir,
                                               const JournalVisitor& replay, JournalRecovery* recovery,
                                               JournalOptions options) {
  JournalRecovery unused;
  PROSODIA_TRY(fs.create_dirs(dir));
  PROSODIA_ASSIGN(auto lock, fs.lock_file(dir / "LOCK"));
  PROSODIA_ASSIGN(const JournalScan scan, scan_journal(fs, dir, replay, recovery ? *recovery : unused));
  auto journal = std::make_unique<FileJournal>(fs, dir, options, std::move(lock));
  PROSODIA_TRY(journal->start(scan));
  return journal;
}

Status read_journal(FileSystem& fs, const std::filesystem::path& dir, const JournalVisitor& visitor,
                    JournalRecovery* recovery) {
  JournalRecovery unused;
  PROSODIA_TRY(scan_journal(fs, dir, visitor, recovery ? *recovery : unused));
  return {};
}

}  // namespace prosodia
