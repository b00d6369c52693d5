#include "data/store/journal_format.h"

#include <algorithm>
#include <cstring>

#include "data/base/bytes.h"
#include "data/base/crc32c.h"
#include "data/base/number.h"
#include "data/store/journal.h"

namespace prosodia::journal_format {
namespace {

constexpr std::string_view kSegmentMagic = "PROSJRNL";
constexpr uint32_t kRecordMagic = 0x314A5250;  // "PRJ1"
constexpr uint32_t kVersion = 1;
constexpr std::string_view kPrefix = "journal-", kSuffix = ".log";
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

}  // namespace

std::string segment_name(uint64_t first_lsn) { return fmt::format("{}{:020}{}", kPrefix, first_lsn, kSuffix); }

std::optional<uint64_t> first_lsn_of(std::string_view name) {
  if (name.size() != kPrefix.size() + kDigits + kSuffix.size() || !name.starts_with(kPrefix) ||
      !name.ends_with(kSuffix))
    return std::nullopt;
  return parse_integer<uint64_t>(name.substr(kPrefix.size(), kDigits));
}

std::vector<std::byte> encode_segment_header(uint64_t first_lsn) {
  ByteWriter writer;
  writer.put_bytes(std::as_bytes(std::span(kSegmentMagic)));
  writer.put<uint32_t>(kVersion);
  writer.put<uint32_t>(0);
  writer.put<uint64_t>(first_lsn);
  writer.put<uint32_t>(0);
  writer.put<uint32_t>(crc32c(writer.view()));
  return writer.take();
}

bool segment_header_is_valid(std::span<const std::byte> segment, uint64_t first_lsn) {
  const auto expected = encode_segment_header(first_lsn);
  return segment.size() >= expected.size() && std::equal(expected.begin(), expected.end(), segment.begin());
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
