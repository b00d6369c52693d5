// Bytes of the journal (journal.md): encoding, and scanning one segment. Used by journal.cc and journal_scan.cc. Pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/store/journal.h"

namespace prosodia::journal_format {

inline constexpr size_t kSegmentHeaderBytes = 32;
inline constexpr size_t kRecordHeaderBytes = 32;
inline constexpr uint16_t kDurableMark = 0;

struct RecordHeader {
  uint32_t length = 0;
  uint16_t type = 0;
  uint64_t lsn = 0;
  uint64_t durable_lsn = 0;
};

std::string segment_name(uint64_t first_lsn);
std::optional<uint64_t> first_lsn_of(std::string_view segment_name);  // nullopt: not a segment's name

std::vector<std::byte> encode_segment_header(uint64_t first_lsn);
bool segment_header_is_valid(std::span<const std::byte> segment, uint64_t first_lsn);

// Snapshots: what a folder's retired records amount to.
std::string snapshot_name(uint64_t lsn);
std::optional<uint64_t> snapshot_lsn_of(std::string_view name);  // nullopt: not a snapshot's name

void append_record(std::vector<std::byte>& out, const RecordHeader&, std::span<const std::byte> payload);

// The record at the beginning of `bytes`, when it is whole and its CRC holds.
std::optional<RecordHeader> decode_record(std::span<const std::byte> bytes);

struct SegmentScan {
  uint64_t next_lsn = 0;  // after the last good record
  size_t good_bytes = 0;  // where the first bad record begins; the segment's size when there is none
  bool damaged = false;   // the bad record had been durable: corruption, not a torn tail
};

using RecordVisitor = std::function<Status(const RecordHeader&, std::span<const std::byte> payload, size_t offset)>;

// The whole file, end mark included; `records` are numbered from 1 in it.
std::vector<std::byte> encode_snapshot(uint64_t lsn, const std::vector<JournalRecord>& records);
// Visits the records, all with the snapshot's LSN. False: the file is not whole, and then nothing was visited.
Result<bool> scan_snapshot(std::span<const std::byte> file, uint64_t lsn, const RecordVisitor&);

// Walks the records after a valid segment header. Durable marks are not visited. Fails only as the visitor does.
Result<SegmentScan> scan_segment(std::span<const std::byte> segment, uint64_t first_lsn, const RecordVisitor&);

}  // namespace prosodia::journal_format
