#include "data/store/journal.h"

#include <optional>
#include <utility>

#include "data/base/check.h"
#include "data/store/journal_format.h"

namespace prosodia {
namespace {

namespace format = journal_format;
using Path = std::filesystem::path;

// What is in the folder, after every record has been visited.
struct Walk {
  uint64_t next_lsn = 1;
  Path last;               // the newest segment; empty = none
  uint64_t last_size = 0;  // its bytes
  uint64_t last_good = 0;  // of those, valid; less than a header's = the file holds nothing
};

tl::unexpected<Error> corruption(const Path& segment, uint64_t offset, std::string_view what) {
  return fail(
      ErrorCode::kCorruption,
      "{}: damaged at byte {}: {}. Acknowledged work is affected, so nothing was changed. Restore the file from a "
      "copy, or start a new run folder from the newest checkpoint",
      segment.string(), offset, what);
}

Result<std::vector<uint64_t>> list_segments(FileSystem& fs, const Path& dir) {
  PROSODIA_ASSIGN(const auto entries, fs.list_dir(dir));
  std::vector<uint64_t> first_lsns;  // ascending: the digits are padded
  for (const DirEntry& entry : entries)
    if (const auto first = format::first_lsn_of(entry.name)) first_lsns.push_back(*first);
  return first_lsns;
}

Status walk_segment(FileSystem& fs, const Path& path, uint64_t first_lsn, bool is_last, const JournalVisitor& visitor,
                    Walk& walk, JournalRecovery& recovery) {
  PROSODIA_ASSIGN(const auto bytes, fs.read_file(path));
  walk.last = path;
  walk.last_size = bytes.size();
  walk.last_good = 0;
  if (!format::segment_header_is_valid(bytes, first_lsn)) {
    if (is_last && bytes.size() <= format::kSegmentHeaderBytes) return {};  // died while creating it
    return corruption(path, 0, fmt::format("not a segment header of version 1 with first LSN {}", first_lsn));
  }
  const auto visit = [&](const format::RecordHeader& header, std::span<const std::byte> payload,
                         size_t offset) -> Status {
    const JournalRecord record{header.lsn, header.type, {payload.begin(), payload.end()}};
    if (auto status = visitor(record); !status)
      return wrap(status.error(), fmt::format("{}: record {} at byte {}", path.string(), header.lsn, offset));
    ++recovery.records;
    return {};
  };
  PROSODIA_ASSIGN(const auto scan, format::scan_segment(bytes, first_lsn, visit));
  walk.next_lsn = scan.next_lsn;
  walk.last_good = scan.good_bytes;
  if (scan.good_bytes == bytes.size() || (is_last && !scan.damaged)) return {};
  return corruption(path, scan.good_bytes,
                    fmt::format("expected record {} or the file's end, found neither", scan.next_lsn));
}

Result<Walk> walk_journal(FileSystem& fs, const Path& dir, const JournalVisitor& visitor, JournalRecovery& recovery) {
  recovery = {};
  Walk walk;
  PROSODIA_ASSIGN(const auto segments, list_segments(fs, dir));
  for (size_t i = 0; i < segments.size(); ++i) {
    const Path path = dir / format::segment_name(segments[i]);
    if (segments[i] != walk.next_lsn)
      return corruption(path, 0, fmt::format("the segment with record {} is missing before it", walk.next_lsn));
    PROSODIA_TRY(walk_segment(fs, path, segments[i], i + 1 == segments.size(), visitor, walk, recovery));
    ++recovery.segments;
  }
  if (walk.last_good < walk.last_size) {
    recovery.truncated_bytes = walk.last_size - walk.last_good;
    recovery.message = fmt::format("{}: {} bytes from byte {} on are torn (never acknowledged); records kept: {}",
                                   walk.last.string(), recovery.truncated_bytes, walk.last_good, walk.next_lsn - 1);
  }
  return walk;
}

class FileJournal final : public Journal {
 public:
  FileJournal(FileSystem& fs, Path dir, JournalOptions options, std::unique_ptr<FileLock> lock)
      : fs_(fs), dir_(std::move(dir)), options_(options), lock_(std::move(lock)) {}

  Status start(const Walk& walk) {
    next_lsn_ = walk.next_lsn;
    durable_lsn_ = next_lsn_ - 1;
    if (walk.last.empty() || walk.last_good < format::kSegmentHeaderBytes) return open_segment();
    if (walk.last_good < walk.last_size) PROSODIA_TRY(fs_.truncate(walk.last, walk.last_good));
    PROSODIA_ASSIGN(file_, fs_.open_append(walk.last, OpenMode::kAppend));
    PROSODIA_TRY(file_->sync());  // what was replayed may have been in the page cache only
    PROSODIA_TRY(fs_.sync_dir(dir_));
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
  std::vector<std::byte> buffer_;  // appended, not written yet
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
  PROSODIA_ASSIGN(const Walk walk, walk_journal(fs, dir, replay, recovery ? *recovery : unused));
  auto journal = std::make_unique<FileJournal>(fs, dir, options, std::move(lock));
  PROSODIA_TRY(journal->start(walk));
  return journal;
}

Status read_journal(FileSystem& fs, const std::filesystem::path& dir, const JournalVisitor& visitor,
                    JournalRecovery* recovery) {
  JournalRecovery unused;
  PROSODIA_ASSIGN(const Walk walk, walk_journal(fs, dir, visitor, recovery ? *recovery : unused));
  static_cast<void>(walk);
  return {};
}

}  // namespace prosodia
