#include "data/store/journal.h"

#include <cerrno>

#include "data/store/testing/faulty_file_system.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

struct Reopened {
  std::vector<std::string> records;  // "type:payload"
  std::vector<uint64_t> lsns;
  JournalRecovery recovery;
  std::unique_ptr<Journal> journal;  // null: open failed
  Error error;
};

Reopened reopen(FileSystem& fs, const std::filesystem::path& dir, JournalOptions options = {}) {
  Reopened result;
  auto journal = Journal::open(
      fs, dir,
      [&](const JournalRecord& record) -> Status {
        result.records.push_back(fmt::format("{}:{}", record.type, to_text(record.payload)));
        result.lsns.push_back(record.lsn);
        return {};
      },
      &result.recovery, options);
  if (journal)
    result.journal = std::move(*journal);
  else
    result.error = journal.error();
  return result;
}

void write(Journal& journal, uint16_t type, std::string_view payload) {
  ASSERT_TRUE(journal.append(type, as_byte_span(payload)));
}

TEST(Journal, ReplaysWhatWasAppendedAndGoesOn) {
  TempDir temp;
  FileSystem& fs = posix_file_system();
  {
    auto [records, lsns, recovery, journal, error] = reopen(fs, temp / "j");
    ASSERT_TRUE(journal) << error.message;
    EXPECT_TRUE(records.empty());
    EXPECT_EQ(journal->next_lsn(), 1u);
    EXPECT_EQ(journal->append(1, as_byte_span("first")).value(), 1u);
    EXPECT_EQ(journal->append(65535, {}).value(), 2u);
    EXPECT_EQ(journal->durable_lsn(), 0u);
    ASSERT_TRUE(journal->sync());
    ASSERT_TRUE(journal->sync());
    EXPECT_EQ(journal->durable_lsn(), 2u);
  }
  {
    auto again = reopen(fs, temp / "j");
    ASSERT_TRUE(again.journal) << again.error.message;
    EXPECT_EQ(again.journal->next_lsn(), 3u);
    EXPECT_EQ(again.journal->durable_lsn(), 2u);
    write(*again.journal, 7, std::string(100000, 'x'));
    ASSERT_TRUE(again.journal->sync());
  }
  const auto last = reopen(fs, temp / "j");
  EXPECT_THAT(last.records, ElementsAre("1:first", "65535:", "7:" + std::string(100000, 'x')));
  EXPECT_THAT(last.lsns, ElementsAre(1, 2, 3));
  EXPECT_EQ(last.recovery.records, 3u);
  EXPECT_EQ(last.recovery.truncated_bytes, 0u);
  EXPECT_EQ(last.recovery.message, "");
}

TEST(Journal, RotatesSegmentsAndRefusesAMissingOne) {
  FaultyFileSystem fs;
  const JournalOptions small{.segment_bytes = 100};
  std::vector<std::string> expected;
  {
    auto journal = reopen(fs, "j", small).journal;
    for (int i = 0; i < 10; ++i) {
      write(*journal, 2, fmt::format("record {}", i));
      expected.push_back(fmt::format("2:record {}", i));
      ASSERT_TRUE(journal->sync());
    }
  }
  auto all = reopen(fs, "j", small);
  EXPECT_EQ(all.records, expected);
  EXPECT_GE(all.recovery.segments, 4u);
  all.journal.reset();
  const auto names = fs.list_dir("j").value();
  ASSERT_TRUE(fs.remove(std::filesystem::path("j") / names[2].name));
  const auto broken = reopen(fs, "j", small);
  ASSERT_FALSE(broken.journal);
  EXPECT_EQ(broken.error.code, ErrorCode::kCorruption);
  EXPECT_THAT(broken.error.message, AllOf(HasSubstr(names[3].name), HasSubstr("missing")));
}

TEST(Journal, OneWriter) {
  TempDir temp;
  auto first = reopen(posix_file_system(), temp / "j");
  write(*first.journal, 1, "a");
  ASSERT_TRUE(first.journal->sync());
  const auto second = reopen(posix_file_system(), temp / "j");
  ASSERT_FALSE(second.journal);
  EXPECT_EQ(second.error.code, ErrorCode::kUnavailable);
  // Reading needs no lock.
  uint64_t seen = 0;
  EXPECT_TRUE(read_journal(posix_file_system(), temp / "j", [&](const JournalRecord& record) -> Status {
    seen = record.lsn;
    return {};
  }));
  EXPECT_EQ(seen, 1u);
}

TEST(Journal, AFailedSyncIsFinal) {
  FaultyFileSystem fs;
  auto journal = reopen(fs, "j").journal;
  write(*journal, 1, "a");
  ASSERT_TRUE(journal->sync());
  write(*journal, 1, "b");
  fs.fail_call(fs.calls() + 2, EIO);  // the append succeeds, fdatasync fails once
  const auto failed = journal->sync();
  ASSERT_FALSE(failed);
  EXPECT_EQ(exit_code(failed.error().code), 5);
  EXPECT_FALSE(journal->sync());
  EXPECT_FALSE(journal->append(1, {}));
  EXPECT_EQ(journal->durable_lsn(), 1u);
}

// Linux marks the pages of a failed fsync clean. A process that is started again must not take them for durable.
TEST(Journal, WhatAFailedSyncLeftInThePageCacheIsWrittenAgain) {
  FaultyFileSystem fs;
  {
    auto journal = reopen(fs, "j").journal;
    write(*journal, 1, "a");
    ASSERT_TRUE(journal->sync());
    write(*journal, 1, "b");
    fs.fail_sync(1, EIO);
    ASSERT_FALSE(journal->sync());
  }
  fs.crash(Crash::kProcess);
  {
    auto journal = reopen(fs, "j").journal;  // reads "b" from the page cache
    ASSERT_TRUE(journal);
    write(*journal, 1, "c");
    ASSERT_TRUE(journal->sync());
  }
  fs.crash(Crash::kDropUnsynced);
  const auto after = reopen(fs, "j");
  ASSERT_TRUE(after.journal) << after.error.message;
  EXPECT_THAT(after.records, ElementsAre("1:a", "1:b", "1:c"));
}

TEST(Journal, AFullDiskNamesTheFileAndTheRestGoesOnAfterwards) {
  FaultyFileSystem fs;
  {
    auto journal = reopen(fs, "j").journal;
    write(*journal, 1, "acknowledged");
    ASSERT_TRUE(journal->sync());
    write(*journal, 1, "does not fit");
    fs.fail_calls_from(fs.calls() + 1, ENOSPC);
    const auto full = journal->sync();
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, ErrorCode::kStorage);
    EXPECT_THAT(full.error().message,
                AllOf(HasSubstr("j/journal-"), HasSubstr("No space left"), HasSubstr("free space")));
    fs.clear_faults();
  }
  auto again = reopen(fs, "j");
  ASSERT_TRUE(again.journal) << again.error.message;
  EXPECT_THAT(again.records, testing::Contains("1:acknowledged"));
}

TEST(Journal, AReplayErrorNamesTheRecord) {
  FaultyFileSystem fs;
  {
    auto journal = reopen(fs, "j").journal;
    write(*journal, 1, "a");
    ASSERT_TRUE(journal->sync());
  }
  const auto opened = Journal::open(
      fs, "j", [](const JournalRecord&) -> Status { return fail(ErrorCode::kInvalidInput, "unknown type"); });
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(opened.error().message, AllOf(HasSubstr("record 1 at byte 32"), HasSubstr("unknown type")));
}

// --- damage: every cut and every flipped bit of a small journal of two segments

struct SmallJournal {
  static constexpr JournalOptions kOptions{.segment_bytes = 200};
  FaultyFileSystem fs;
  std::vector<std::string> records;
  std::map<std::string, std::string> files;  // segments

  SmallJournal() {
    auto journal = reopen(fs, "j", kOptions).journal;
    for (const auto& batch : std::vector<std::vector<std::string>>{{"a", "bb"}, {"ccc"}, {"dddd", "", "e"}, {"ff"}}) {
      for (const std::string& payload : batch) {
        write(*journal, 3, payload);
        records.push_back("3:" + payload);
      }
      EXPECT_TRUE(journal->sync());
    }
    journal.reset();
    files = snapshot(fs, "j");
    EXPECT_EQ(files.size(), 2u);
  }
  Reopened with(const std::string& file, std::string contents) {
    fs.overwrite(file, to_bytes(contents));
    auto result = reopen(fs, "j", kOptions);
    if (!result.journal) {
      EXPECT_EQ(fs.read_text(file).value(), contents) << "corruption must not be touched";
    }
    result.journal.reset();
    for (const auto& [name, original] : files) fs.overwrite(name, to_bytes(original));
    return result;
  }
};

TEST(JournalDamage, NoFlippedBitLosesASyncedRecord) {
  SmallJournal small;
  size_t refused = 0, flips = 0;
  for (const auto& [file, original] : small.files) {
    for (size_t byte = 0; byte < original.size(); ++byte) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string damaged = original;
        damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << bit));
        const auto result = small.with(file, damaged);
        ++flips;
        if (result.error.message.empty()) {
          EXPECT_EQ(result.records, small.records) << file << " byte " << byte << " bit " << bit;
          EXPECT_GT(result.recovery.truncated_bytes, 0u) << "unnoticed";
          continue;
        }
        ++refused;
        EXPECT_EQ(result.error.code, ErrorCode::kCorruption);
        EXPECT_THAT(result.error.message, AllOf(HasSubstr(file), HasSubstr("damaged at byte")));
      }
    }
  }
  EXPECT_EQ(flips - refused, 32u * 8) << "only flips in the final durable mark go without a refusal";
}

TEST(JournalDamage, ACutNeverBringsWrongRecords) {
  SmallJournal small;
  for (const auto& [file, original] : small.files) {
    const bool is_last = file == small.files.rbegin()->first;
    for (size_t size = 0; size < original.size(); ++size) {
      const auto result = small.with(file, original.substr(0, size));
      if (!result.error.message.empty()) {
        EXPECT_FALSE(is_last) << "a cut of the newest segment is a torn tail";
        continue;
      }
      ASSERT_LE(result.records.size(), small.records.size());
      EXPECT_TRUE(std::equal(result.records.begin(), result.records.end(), small.records.begin()));
      if (!is_last) {
        EXPECT_EQ(result.records, small.records) << "only the mark was cut";
      }
    }
  }
}

TEST(JournalDamage, ATornTailIsCutReportedAndWrittenOver) {
  SmallJournal small;
  const auto& [file, original] = *small.files.rbegin();
  small.fs.overwrite(file, to_bytes(original + "half a rec"));
  auto result = reopen(small.fs, "j", small.kOptions);
  ASSERT_TRUE(result.journal);
  EXPECT_EQ(result.recovery.truncated_bytes, 10u);
  EXPECT_THAT(result.recovery.message, AllOf(HasSubstr(file), HasSubstr("10 bytes")));
  write(*result.journal, 3, "next");
  ASSERT_TRUE(result.journal->sync());
  result.journal.reset();
  small.records.push_back("3:next");
  EXPECT_EQ(reopen(small.fs, "j", small.kOptions).records, small.records);
}

}  // namespace
}  // namespace prosodia
