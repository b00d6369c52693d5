#include "data/store/atomic_file.h"

#include <cerrno>

#include "data/store/testing/faulty_file_system.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

TEST(AtomicFile, ReplacesAndLeavesNoTemporaryFile) {
  TempDir temp;
  FileSystem& fs = posix_file_system();
  ASSERT_TRUE(write_file_atomic(fs, temp / "f", "old"));
  ASSERT_TRUE(write_file_atomic(fs, temp / "f", "new contents"));
  EXPECT_EQ(fs.read_text(temp / "f").value(), "new contents");
  {
    auto abandoned = AtomicFile::create(fs, temp / "f").value();
    ASSERT_TRUE(abandoned.append(as_byte_span("never")));
  }
  EXPECT_EQ(fs.read_text(temp / "f").value(), "new contents");
  EXPECT_EQ(fs.list_dir(temp.path()).value().size(), 1u);
}

TEST(AtomicFile, FailingCallLeavesTheOldContentsAndNoTemporaryFile) {
  for (uint64_t n = 1;; ++n) {
    FaultyFileSystem fs(n);
    ASSERT_TRUE(write_file_atomic(fs, "f", "old"));
    fs.fail_call(fs.calls() + n, ENOSPC);
    const auto status = write_file_atomic(fs, "f", "new");
    fs.clear_faults();
    if (status) {
      EXPECT_GE(n, 5u);
      break;
    }
    EXPECT_EQ(status.error().code, ErrorCode::kStorage);
    EXPECT_EQ(fs.list_dir("").value().size(), 1u) << n;
    const std::string contents = fs.read_text("f").value();
    EXPECT_TRUE(contents == "old" || contents == "new") << contents;  // "new": only the folder's sync failed
  }
}

TEST(AtomicFile, CrashAtEveryCallLeavesOldOrNew) {
  for (const Crash kind : {Crash::kProcess, Crash::kDropUnsynced, Crash::kTearUnsynced}) {
    for (uint64_t n = 1;; ++n) {
      bool finished = false;
      for (uint64_t seed = 0; seed < 20; ++seed) {
        FaultyFileSystem fs(seed);
        ASSERT_TRUE(write_file_atomic(fs, "f", "old"));
        fs.fail_calls_from(fs.calls() + n, EIO);
        finished = static_cast<bool>(write_file_atomic(fs, "f", "the new contents"));
        fs.crash(kind);
        const std::string contents = fs.read_text("f").value();
        EXPECT_TRUE(contents == "the new contents" || (!finished && contents == "old")) << contents;
      }
      if (finished) break;
    }
  }
}

}  // namespace
}  // namespace prosodia
