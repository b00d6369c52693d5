// Journals. The first byte chooses: the rest as the records of a segment; or a segment of good records, cut and
// damaged.
#include "data/store/journal.h"
#include "data/store/journal_format.h"
#include "data/store/testing/faulty_file_system.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {
namespace {

namespace format = journal_format;
using Records = std::vector<std::pair<uint16_t, std::vector<std::byte>>>;

const std::filesystem::path kDir = "/run/journal";

std::vector<std::byte> damaged_segment(Choices choices) {
  std::vector<std::byte> bytes = format::encode_segment_header(1);
  uint64_t lsn = 1;
  for (size_t n = choices.below(12); n > 0; --n) {
    format::RecordHeader header{.type = static_cast<uint16_t>(choices.below(5)), .lsn = lsn, .durable_lsn = lsn - 1};
    const size_t lie = choices.below(12);
    if (lie == 1) header.lsn = choices.take<uint64_t>();
    if (lie == 2) header.durable_lsn = choices.take<uint64_t>();
    if (header.type == format::kDurableMark) header.lsn = header.durable_lsn;
    format::append_record(bytes, header, header.type == format::kDurableMark ? Input{} : choices.bytes(40));
    if (header.type != format::kDurableMark) ++lsn;
  }
  if (choices.one_in(2)) bytes.resize(choices.take<uint16_t>() % (bytes.size() + 1));
  for (size_t n = choices.below(4); n > 0 && !bytes.empty(); --n) {
    bytes[choices.take<uint16_t>() % bytes.size()] ^= std::byte(choices.take<uint8_t>());
  }
  return bytes;
}

Result<Records> open_and_append(FaultyFileSystem& fs, bool append) {
  Records records;
  const auto keep = [&](const JournalRecord& record) -> Status {
    records.emplace_back(record.type, record.payload);
    return {};
  };
  PROSODIA_ASSIGN(const auto journal, Journal::open(fs, kDir, keep));
  PROSODIA_CHECK(journal->next_lsn() == records.size() + 1, "{} after {} records", journal->next_lsn(), records.size());
  if (append) {
    PROSODIA_ASSIGN([[maybe_unused]] const uint64_t lsn, journal->append(7, {}));
    PROSODIA_TRY(journal->sync());
  }
  return records;
}

}  // namespace

void fuzz_journal(Input input) {
  if (input.empty()) return;
  FaultyFileSystem fs;
  PROSODIA_CHECK(fs.create_dirs(kDir).has_value());
  std::vector<std::byte> bytes;
  if ((std::to_integer<int>(input[0]) & 1) == 0) {
    bytes = format::encode_segment_header(1);
    bytes.insert(bytes.end(), input.begin() + 1, input.end());
  } else {
    bytes = damaged_segment(Choices(input.subspan(1)));
  }
  put_file(fs, kDir / format::segment_name(1), bytes);

  const auto first = open_and_append(fs, true);
  if (!first) {
    PROSODIA_CHECK(first.error().code == ErrorCode::kCorruption, "{}", first.error().message);
    return;
  }
  fs.crash(Crash::kTearUnsynced);
  const auto second = open_and_append(fs, false);
  PROSODIA_CHECK(second.has_value(), "a recovered journal does not open again: {}", second.error().message);
  Records expected = *first;
  expected.emplace_back(7, std::vector<std::byte>());
  PROSODIA_CHECK(*second == expected, "{} records, then {}", first->size(), second->size());
}

}  // namespace prosodia::fuzz
