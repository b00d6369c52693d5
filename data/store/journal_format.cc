#include "data/store/journal_format.h"

#include <algorithm>
#include <cstring>

#include "data/base/bytes.h"
#include "data/base/crc32c.h"
#include "data/base/number.h"
#include "data/store/journal.h"

namespace prosodia::journal_format {
namespace {

constexpr std::string_view kSegmentMagic = "PROSJRNL", kSnapshotMagic = "PROSSNAP";
constexpr uint32_t kRecordMagic = 0x314A5250;  // "PRJ1"
constexpr uint32_t kVersion = 1;
constexpr std::string_view kPrefix = "journal-", kSnapshotPrefix = "snapshot-", kSuffix = ".log";
constexpr size_t kDigits = 20;

// A valid record or mark behind a bad one that says the bad one had been synced.
bool later_record_vouches(std::span<const std::byte> bytes, uint64_t bad_lsn) {
  const std::byte first = std::byte(kRecordMagic & 0xff);
  for (size_t at = 0; at + kRecordHeaderBytes <= bytes.size(); ++at) {
    const auto* found = static_cast<const std::byte*>(
        std::memchr(bytes.data() + at, std::to_integer<int>(first), bytes.size() - at - kRecordHeaderBytes + 1));
    if (found == nullptr) return false;
    at = static_cast<size_t>(found - bytes.data());
    const auto header = decode_record(bytes.subspan(at));
    if (header && header->durable_lsn >= bad_lsn) return true;
  }
  return false;
}

std::optional<uint64_t> number_in(std::string_view name, std::string_view prefix) {
  if (name.size() != prefix.size() + kDigits + kSuffix.size() || !name.starts_with(prefix) || !name.ends_with(kSuffix))
    return std::nullopt;
  return parse_integer<uint64_t>(name.substr(prefix.size(), kDigits));
}

std::vector<std::byte> encode_header(std::string_view magic, uint64_t lsn) {
  ByteWriter writer;
  writer.put_bytes(std::as_bytes(std::span(magic)));
  writer.put<uint32_t>(kVersion);
  writer.put<uint32_t>(0);
  writer.put<uint64_t>(lsn);
  writer.put<uint32_t>(0);
  writer.put<uint32_t>(crc32c(writer.view()));
  return writer.take();
}

bool begins_with(std::span<const std::byte> file, const std::vector<std::byte>& header) {
  return file.size() >= header.size() && std::equal(header.begin(), header.end(), file.begin());
}

}  // namespace

std::string segment_name(uint64_t first_lsn) { return fmt::format("{}{:020}{}", kPrefix, first_lsn, kSuffix); }
std::optional<uint64_t> first_lsn_of(std::string_view name) { return number_in(name, kPrefix); }
std::string snapshot_name(uint64_t lsn) { return fmt::format("{}{:020}{}", kSnapshotPrefix, lsn, kSuffix); }
std::optional<uint64_t> snapshot_lsn_of(std::string_view name) { return number_in(name, kSnapshotPrefix); }

std::vector<std::byte> encode_segment_header(uint64_t first_lsn) { return encode_header(kSegmentMagic, first_lsn); }

bool segment_header_is_valid(std::span<const std::byte> segment, uint64_t first_lsn) {
  return begins_with(segment, encode_segment_header(first_lsn));
}

void append_record(std::vector<std::byte>& out, const RecordHeader& header, std::span<const std::byte> payload) {
  ByteWriter writer;
  writer.put<uint32_t>(kRecordMagic);
  writer.put<uint32_t>(static_cast<uint32_t>(payload.size()));
  writer.put<uint16_t>(header.type);
  writer.put<uint16_t>(kVersion);
  writer.put<uint64_t>(header.lsn);
  writer.put<uint64_t>(header.durable_lsn);
  writer.put<uint32_t>(crc32c(payload, crc32c(writer.view())));
  const auto bytes = writer.view();
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.insert(out.end(), payload.begin(), payload.end());
}

std::optional<RecordHeader> decode_record(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  RecordHeader header;
  const auto magic = reader.get<uint32_t>();
  header.length = reader.get<uint32_t>();
  header.type = reader.get<uint16_t>();
  const auto version = reader.get<uint16_t>();
  header.lsn = reader.get<uint64_t>();
  header.durable_lsn = reader.get<uint64_t>();
  const auto crc = reader.get<uint32_t>();
  if (!reader.ok() || magic != kRecordMagic || version != kVersion || header.length > Journal::kMaxPayloadBytes)
    return std::nullopt;
  const auto payload = reader.get_bytes(header.length);
  if (!reader.ok() || crc32c(payload, crc32c(bytes.first(kRecordHeaderBytes - sizeof(crc)))) != crc)
    return std::nullopt;
  if (header.type == kDurableMark && (header.length != 0 || header.lsn != header.durable_lsn)) return std::nullopt;
  return header;
}

std::vector<std::byte> encode_snapshot(uint64_t lsn, const std::vector<JournalRecord>& records) {
  std::vector<std::byte> file = encode_header(kSnapshotMagic, lsn);
  for (uint64_t i = 0; i < records.size(); ++i)
    append_record(file, {.type = records[i].type, .lsn = i + 1, .durable_lsn = 0}, records[i].payload);
  append_record(file, {.type = kDurableMark, .lsn = records.size(), .durable_lsn = records.size()}, {});
  return file;
}

Result<bool> scan_snapshot(std::span<const std::byte> file, uint64_t lsn, const RecordVisitor& visit) {
  if (!begins_with(file, encode_header(kSnapshotMagic, lsn))) return false;
  std::vector<std::pair<RecordHeader, size_t>> records;  // with their offsets
  for (size_t at = kSegmentHeaderBytes;;) {
    const auto header = decode_record(file.subspan(at));
    if (!header) return false;
    if (header->type == kDurableMark) {
      if (header->lsn != records.size() || at + kRecordHeaderBytes != file.size()) return false;
      break;
    }
    if (header->lsn != records.size() + 1) return false;
    records.emplace_back(*header, at);
    at += kRecordHeaderBytes + header->length;
  }
  for (auto& [header, at] : records) {
    header.lsn = lsn;
    PROSODIA_TRY(visit(header, file.subspan(at + kRecordHeaderBytes, header.length), at));
  }
  return true;
}

Result<SegmentScan> scan_segment(std::span<const std::byte> segment, uint64_t first_lsn, const RecordVisitor& visit) {
  SegmentScan scan{.next_lsn = first_lsn, .good_bytes = kSegmentHeaderBytes};
  while (scan.good_bytes < segment.size()) {
    const auto rest = segment.subspan(scan.good_bytes);
    const auto header = decode_record(rest);
    const uint64_t expected = header && header->type == kDurableMark ? scan.next_lsn - 1 : scan.next_lsn;
    if (!header || header->lsn != expected) {
      scan.damaged = later_record_vouches(rest.subspan(1), scan.next_lsn);
      return scan;
    }
    if (header->type != kDurableMark) {
      PROSODIA_TRY(visit(*header, rest.subspan(kRecordHeaderBytes, header->length), scan.good_bytes));
      ++scan.next_lsn;
    }
    scan.good_bytes += kRecordHeaderBytes + header->length;
  }
  return scan;
}

}  // namespace prosodia::journal_format
