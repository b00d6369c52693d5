// A crash at every I/O call of the journal, N = 1, 2, … until none is hit: what was acknowledged (synced) is recovered,
// what is recovered is a prefix of what was appended, and the journal goes on.
#include <cerrno>

#include "data/store/journal.h"
#include "data/store/testing/faulty_file_system.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

constexpr JournalOptions kSmallSegments{.segment_bytes = 250};

struct History {
  std::vector<std::string> appended;
  size_t acknowledged = 0;
};

// Opens, checks the recovered records against the history, then appends batches. False when a call failed.
bool work(FileSystem& fs, History& history) {
  std::vector<std::string> recovered;
  auto journal = Journal::open(
      fs, "j",
      [&](const JournalRecord& record) -> Status {
        EXPECT_EQ(record.lsn, recovered.size() + 1);
        recovered.push_back(to_text(record.payload));
        return {};
      },
      nullptr, kSmallSegments);
  if (!journal) {
    EXPECT_EQ(journal.error().code, ErrorCode::kStorage) << journal.error().message;
    return false;
  }
  EXPECT_GE(recovered.size(), history.acknowledged);
  EXPECT_LE(recovered.size(), history.appended.size());
  history.appended.resize(std::min(recovered.size(), history.appended.size()));
  EXPECT_EQ(recovered, history.appended);
  history.acknowledged = recovered.size();  // what a replay handed out must not vanish later
  for (size_t batch = 0; batch < 4; ++batch) {
    for (size_t i = 0; i <= batch % 3; ++i) {
      std::string payload = fmt::format("{}:{}", history.appended.size(), std::string(batch * 17, 'p'));
      if (!(*journal)->append(1, as_byte_span(payload))) return false;
      history.appended.push_back(std::move(payload));
    }
    if (!(*journal)->sync()) return false;
    history.acknowledged = history.appended.size();
    EXPECT_EQ((*journal)->durable_lsn(), history.acknowledged);
  }
  return true;
}

class JournalCrash : public testing::TestWithParam<Crash> {};
INSTANTIATE_TEST_SUITE_P(, JournalCrash, testing::Values(Crash::kProcess, Crash::kDropUnsynced, Crash::kTearUnsynced));

TEST_P(JournalCrash, AtEveryCallOfARun) {
  for (uint64_t n = 1;; ++n) {
    bool finished = false;
    for (uint64_t seed = 0; seed < 10; ++seed) {
      SCOPED_TRACE(fmt::format("call {} seed {}", n, seed));
      FaultyFileSystem fs(seed * 1000 + n);
      History history;
      fs.fail_calls_from(n, EIO);
      finished = work(fs, history);
      fs.crash(GetParam());
      ASSERT_TRUE(work(fs, history));
    }
    if (finished) break;
    ASSERT_LT(n, 1000u);
  }
}

// A second crash while recovering from the first. After a process crash what is replayed may be in the page cache only;
// the power loss that follows must not take it away.
TEST_P(JournalCrash, AgainDuringRecovery) {
  for (const Crash first : {Crash::kProcess, GetParam()}) {
    for (uint64_t n = 5; n < 60; ++n) {
      for (uint64_t m = 1;; ++m) {
        SCOPED_TRACE(fmt::format("calls {} and {}", n, m));
        FaultyFileSystem fs(n * 1000 + m);
        History history;
        fs.fail_calls_from(n, EIO);
        (void)work(fs, history);
        fs.crash(first);
        fs.fail_calls_from(fs.calls() + m, EIO);
        const bool finished = work(fs, history);
        fs.crash(GetParam());
        ASSERT_TRUE(work(fs, history));
        if (finished) break;
      }
    }
  }
}

// One failing call, then the process exits in good order (no crash): same promise.
TEST(JournalFault, ASingleErrorAtEveryCall) {
  for (const int error : {EIO, ENOSPC}) {
    for (uint64_t n = 1;; ++n) {
      FaultyFileSystem fs(n);
      History history;
      fs.fail_call(n, error);
      const bool finished = work(fs, history);
      fs.clear_faults();
      SCOPED_TRACE(fmt::format("call {}", n));
      ASSERT_TRUE(work(fs, history));
      if (finished && n > fs.calls() / 2) break;
    }
  }
}

}  // namespace
}  // namespace prosodia
