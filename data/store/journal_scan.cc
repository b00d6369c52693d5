#include "data/store/journal_scan.h"

#include <algorithm>
#include <utility>

#include "data/store/journal_format.h"

namespace prosodia {
namespace {

namespace format = journal_format;
using Path = std::filesystem::path;

tl::unexpected<Error> corruption(const Path& segment, uint64_t offset, std::string_view what) {
  return fail(
      ErrorCode::kCorruption,
      "{}: damaged at byte {}: {}. Acknowledged work is affected, so nothing was changed. Restore the file from a "
      "copy, or start a new run folder from the newest checkpoint",
      segment.string(), offset, what);
}

// Segments and snapshots of the folder go where they belong: into `scan.segments` or `scan.retired`.
Status list_files(FileSystem& fs, const Path& dir, JournalScan& scan) {
  PROSODIA_ASSIGN(const auto entries, fs.list_dir(dir));
  std::vector<uint64_t> snapshots;
  for (const DirEntry& entry : entries) {  // ascending: the digits are padded
    if (const auto first = format::first_lsn_of(entry.name)) scan.segments.push_back(*first);
    if (const auto lsn = format::snapshot_lsn_of(entry.name)) snapshots.push_back(*lsn);
  }
  if (snapshots.empty()) return {};
  scan.snapshot_lsn = snapshots.back();
  snapshots.pop_back();
  for (const uint64_t lsn : snapshots) scan.retired.push_back(dir / format::snapshot_name(lsn));
  // A snapshot ends where a segment ends, so those that begin before it stand for nothing new.
  std::erase_if(scan.segments, [&](uint64_t first) {
    if (first > scan.snapshot_lsn) return false;
    scan.retired.push_back(dir / format::segment_name(first));
    return true;
  });
  return {};
}

format::RecordVisitor handing_out(const Path& path, const JournalVisitor& visitor, JournalRecovery& recovery) {
  return [&](const format::RecordHeader& header, std::span<const std::byte> payload, size_t offset) -> Status {
    const JournalRecord record{header.lsn, header.type, {payload.begin(), payload.end()}};
    if (auto status = visitor(record); !status)
      return wrap(status.error(), fmt::format("{}: record {} at byte {}", path.string(), header.lsn, offset));
    ++recovery.records;
    return {};
  };
}

Status scan_one_snapshot(FileSystem& fs, const Path& path, uint64_t lsn, const JournalVisitor& visitor,
                         JournalRecovery& recovery) {
  PROSODIA_ASSIGN(const auto bytes, fs.read_file(path));
  PROSODIA_ASSIGN(const bool whole, format::scan_snapshot(bytes, lsn, handing_out(path, visitor, recovery)));
  if (!whole) return corruption(path, 0, fmt::format("not a whole snapshot of the records up to {}", lsn));
  return {};
}

Status scan_one_segment(FileSystem& fs, const Path& path, uint64_t first_lsn, bool is_last,
                        const JournalVisitor& visitor, JournalScan& scan, JournalRecovery& recovery) {
  PROSODIA_ASSIGN(const auto bytes, fs.read_file(path));
  scan.last = path;
  scan.last_size = bytes.size();
  scan.last_good = 0;
  if (!format::segment_header_is_valid(bytes, first_lsn)) {
    if (is_last && bytes.size() <= format::kSegmentHeaderBytes) return {};  // died while creating it
    return corruption(path, 0, fmt::format("not a segment header of version 1 with first LSN {}", first_lsn));
  }
  PROSODIA_ASSIGN(const auto found, format::scan_segment(bytes, first_lsn, handing_out(path, visitor, recovery)));
  scan.next_lsn = found.next_lsn;
  scan.last_good = found.good_bytes;
  if (found.good_bytes == bytes.size() || (is_last && !found.damaged)) return {};
  return corruption(path, found.good_bytes,
                    fmt::format("expected record {} or the file's end, found neither", found.next_lsn));
}

}  // namespace

Result<JournalScan> scan_journal(FileSystem& fs, const Path& dir, const JournalVisitor& visitor,
                                 JournalRecovery& recovery) {
  recovery = {};
  JournalScan scan;
  PROSODIA_TRY(list_files(fs, dir, scan));
  if (scan.snapshot_lsn > 0) {
    const Path path = dir / format::snapshot_name(scan.snapshot_lsn);
    PROSODIA_TRY(scan_one_snapshot(fs, path, scan.snapshot_lsn, visitor, recovery));
    recovery.snapshot_lsn = scan.snapshot_lsn;
    scan.next_lsn = scan.snapshot_lsn + 1;
    if (scan.segments.empty())
      return corruption(path, 0, fmt::format("the segment with record {} is missing behind it", scan.next_lsn));
  }
  for (size_t i = 0; i < scan.segments.size(); ++i) {
    const uint64_t first = scan.segments[i];
    const Path path = dir / format::segment_name(first);
    if (first != scan.next_lsn)
      return corruption(path, 0, fmt::format("the segment with record {} is missing before it", scan.next_lsn));
    PROSODIA_TRY(scan_one_segment(fs, path, first, i + 1 == scan.segments.size(), visitor, scan, recovery));
    ++recovery.segments;
  }
  if (scan.last_good < scan.last_size) {
    recovery.truncated_bytes = scan.last_size - scan.last_good;
    recovery.message = fmt::format("{}: {} bytes from byte {} on are torn (never acknowledged); records kept: {}",
                                   scan.last.string(), recovery.truncated_bytes, scan.last_good, scan.next_lsn - 1);
  }
  return scan;
}

}  // namespace prosodia
