// Retirement: old segments make room for a snapshot, with a crash or an error at every call, and with every bit of what
// is left flipped and every cut made.
#include <cerrno>
#include <set>

#include "data/store/journal.h"
#include "data/store/testing/faulty_file_system.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr JournalOptions kSmallSegments{.segment_bytes = 250};
constexpr uint16_t kFact = 1, kFold = 2;

// Adds up facts "N"; a snapshot holds the facts so far in one record "1 2 … N". Replaying is idempotent, as the
// contract of retire() asks.
struct Sum {
  std::set<uint64_t> facts;
  uint64_t next() const { return facts.empty() ? 1 : *facts.rbegin() + 1; }
  bool gapless() const { return facts.size() + 1 == next(); }
  Status replay(const JournalRecord& record) {
    if (record.type == kFact) facts.insert(std::stoull(to_text(record.payload)));
    if (record.type == kFold)
      for (uint64_t n = 1, end = std::stoull(to_text(record.payload)); n <= end; ++n) facts.insert(n);
    return {};
  }
};

Result<std::unique_ptr<Journal>> open(FileSystem& fs, Sum& sum, JournalRecovery* recovery = nullptr) {
  return Journal::open(
      fs, "j", [&](const JournalRecord& record) { return sum.replay(record); }, recovery, kSmallSegments);
}

Status add(Journal& journal, Sum& sum) {
  const uint64_t n = sum.next();
  PROSODIA_TRY(journal.append(kFact, as_byte_span(std::to_string(n))));
  PROSODIA_TRY(journal.sync());
  sum.facts.insert(n);
  return {};
}

// Everything up to the newest fact but two may go.
Status retire(Journal& journal, const Sum& sum) {
  return journal.retire(journal.next_lsn() - 2, [&] {
    return std::vector<JournalRecord>{{0, kFold, to_bytes(std::to_string(sum.next() - 1))}};
  });
}

// Facts that were acknowledged must be there. Recovers, adds and retires a few times. False when a call failed.
bool work(FileSystem& fs, uint64_t& acknowledged) {
  Sum sum;
  auto journal = open(fs, sum);
  if (!journal) {
    EXPECT_EQ(journal.error().code, ErrorCode::kStorage) << journal.error().message;
    return false;
  }
  EXPECT_TRUE(sum.gapless());
  EXPECT_GE(sum.facts.size(), acknowledged);
  acknowledged = sum.facts.size();
  for (int i = 0; i < 18; ++i) {
    if (!add(**journal, sum)) return false;
    acknowledged = sum.facts.size();
    if (i % 5 == 4 && !retire(**journal, sum)) return false;
  }
  return true;
}

TEST(JournalRetire, KeepsTheFolderSmallAndTheFactsWhole) {
  FaultyFileSystem fs;
  uint64_t acknowledged = 0;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(work(fs, acknowledged));
  EXPECT_EQ(acknowledged, 20u * 18);
  EXPECT_LT(fs.list_dir("j")->size(), 6u);
  Sum sum;
  JournalRecovery recovery;
  ASSERT_TRUE(open(fs, sum, &recovery));
  EXPECT_EQ(sum.facts.size(), acknowledged);
  EXPECT_GT(recovery.snapshot_lsn, 300u);
  EXPECT_LT(recovery.records, 30u);
}

class JournalRetireCrash : public testing::TestWithParam<Crash> {};
INSTANTIATE_TEST_SUITE_P(, JournalRetireCrash,
                         testing::Values(Crash::kProcess, Crash::kDropUnsynced, Crash::kTearUnsynced));

TEST_P(JournalRetireCrash, AtEveryCallAndAgainDuringRecovery) {
  for (uint64_t n = 1;; ++n) {
    bool finished = false;
    for (const uint64_t again : {uint64_t{0}, 1 + n % 7, 1 + n % 13}) {
      SCOPED_TRACE(fmt::format("calls {} and {}", n, again));
      FaultyFileSystem fs(n);
      uint64_t acknowledged = 0;
      fs.fail_calls_from(n, EIO);
      finished = work(fs, acknowledged);
      fs.crash(GetParam());
      if (again > 0) {
        fs.fail_calls_from(fs.calls() + again, EIO);
        (void)work(fs, acknowledged);
        fs.crash(GetParam());
      }
      ASSERT_TRUE(work(fs, acknowledged));
    }
    if (finished) break;
    ASSERT_LT(n, 1000u);
  }
}

TEST(JournalRetire, AnErrorAtEveryCallIsStorageAndLosesNothing) {
  for (const int error : {EIO, ENOSPC}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE(fmt::format("call {}", n));
      FaultyFileSystem fs(n);
      uint64_t acknowledged = 0;
      fs.fail_call(n, error);
      const bool finished = work(fs, acknowledged);
      fs.clear_faults();
      ASSERT_TRUE(work(fs, acknowledged));
      if (finished && n > fs.calls()) break;
      ASSERT_LT(n, 1000u);
    }
  }
}

TEST(JournalRetire, AFailureToRetireIsNotFinal) {
  FaultyFileSystem fs;
  Sum sum;
  auto journal = *open(fs, sum);
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(add(*journal, sum));
  fs.set_capacity(fs.used_bytes() + 10);
  EXPECT_EQ(retire(*journal, sum).error().code, ErrorCode::kStorage);
  fs.clear_faults();
  ASSERT_TRUE(add(*journal, sum));
  ASSERT_TRUE(retire(*journal, sum));
}

// A snapshot, and at least two segments behind it.
void fill(FaultyFileSystem& fs) {
  Sum sum;
  auto journal = *open(fs, sum);
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(add(*journal, sum));
  ASSERT_TRUE(retire(*journal, sum));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(add(*journal, sum));
}

TEST(JournalRetire, EveryFlippedBitAndEveryCutIsNoticed) {
  FaultyFileSystem fs;
  fill(fs);
  const auto files = snapshot(fs, "j");
  for (const auto& [file, original] : files) {
    const bool is_snapshot = file.find("snapshot-") != std::string::npos;
    const bool is_last = file == std::prev(files.upper_bound("j/journal-99"))->first;
    for (size_t byte = 0; byte < original.size(); ++byte) {
      std::vector<std::string> versions = {original.substr(0, byte)};
      for (int bit = 0; bit < 8; ++bit) {
        versions.push_back(original);
        versions.back()[byte] = static_cast<char>(original[byte] ^ (1 << bit));
      }
      for (size_t v = 0; v < versions.size(); ++v) {
        SCOPED_TRACE(fmt::format("{} byte {} version {}", file, byte, v));
        fs.overwrite(file, to_bytes(versions[v]));
        Sum sum;
        JournalRecovery recovery;
        const auto status = read_journal(
            fs, "j", [&](const JournalRecord& record) { return sum.replay(record); }, &recovery);
        if (!status) {
          EXPECT_EQ(status.error().code, ErrorCode::kCorruption);
          // A cut between two records of an older segment shows in the next one's first record.
          EXPECT_THAT(status.error().message, AllOf(HasSubstr("j/"), HasSubstr("damaged at byte")));
          continue;
        }
        EXPECT_FALSE(is_snapshot) << "unnoticed";
        EXPECT_TRUE(sum.gapless());
        // What is not refused is a torn tail, or the mark behind the last record of an older segment.
        if (!is_last) {
          EXPECT_EQ(sum.facts.size(), 17u);
        }
      }
    }
    fs.overwrite(file, to_bytes(original));
  }
}

}  // namespace
}  // namespace prosodia
