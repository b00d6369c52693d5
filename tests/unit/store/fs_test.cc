#include "data/store/fs.h"

#include <sys/resource.h>

#include <cerrno>
#include <csignal>

#include "data/base/crc32c.h"
#include "data/store/testing/faulty_file_system.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// Both implementations keep the same contract.
class EveryFileSystem : public testing::TestWithParam<bool> {
 protected:
  FileSystem& fs() { return GetParam() ? static_cast<FileSystem&>(faulty_) : posix_file_system(); }
  TempDir temp_;
  FaultyFileSystem faulty_;
};
INSTANTIATE_TEST_SUITE_P(, EveryFileSystem, testing::Bool(),
                         [](const auto& param) { return param.param ? "InMemory" : "Posix"; });

TEST_P(EveryFileSystem, AppendsReadsListsRenamesRemoves) {
  const auto dir = temp_ / "a/b";
  ASSERT_TRUE(fs().create_dirs(dir));
  ASSERT_TRUE(fs().create_dirs(dir));
  {
    auto file = fs().open_append(dir / "f", OpenMode::kAppend).value();
    ASSERT_TRUE(file->append(as_byte_span("one ")));
    ASSERT_TRUE(file->append(as_byte_span("two")));
    EXPECT_EQ(file->size(), 7u);
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(file->close());
    ASSERT_TRUE(file->close());
  }
  {
    auto file = fs().open_append(dir / "f", OpenMode::kAppend).value();
    EXPECT_EQ(file->size(), 7u);
    ASSERT_TRUE(file->append(as_byte_span("!")));
  }
  EXPECT_EQ(fs().read_text(dir / "f").value(), "one two!");
  EXPECT_EQ(fs().file_size(dir / "f").value(), 8u);
  EXPECT_EQ(file_crc32c(fs(), dir / "f").value(), crc32c(as_byte_span("one two!")));
  ASSERT_TRUE(fs().create_dirs(dir / "sub"));
  EXPECT_THAT(fs().list_dir(dir).value(), ElementsAre(DirEntry{"f", false}, DirEntry{"sub", true}));

  ASSERT_TRUE(fs().truncate(dir / "f", 3));
  ASSERT_TRUE(fs().rename(dir / "f", dir / "g"));
  ASSERT_TRUE(fs().sync_file(dir / "g"));
  ASSERT_TRUE(fs().sync_dir(dir));
  EXPECT_FALSE(fs().exists(dir / "f").value());
  EXPECT_EQ(fs().read_text(dir / "g").value(), "one");
  ASSERT_TRUE(fs().open_append(dir / "g", OpenMode::kTruncate));
  EXPECT_EQ(fs().file_size(dir / "g").value(), 0u);
  ASSERT_TRUE(fs().remove(dir / "g"));
  ASSERT_TRUE(fs().remove(dir / "g"));
  ASSERT_TRUE(fs().remove_all(temp_ / "a"));
  EXPECT_FALSE(fs().exists(dir / "sub").value());
}

TEST_P(EveryFileSystem, MissingFilesAreBadInputAndFoldersAreNotFiles) {
  ASSERT_TRUE(fs().create_dirs(temp_.path()));
  const auto missing = fs().read_file(temp_ / "nothing.json");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(missing.error().message, AllOf(HasSubstr("nothing.json"), HasSubstr("no such file")));
  EXPECT_FALSE(fs().read_file(temp_.path()));
  EXPECT_EQ(fs().open_append(temp_ / "no/folder/f", OpenMode::kAppend).error().code, ErrorCode::kStorage);
}

TEST_P(EveryFileSystem, LockHasOneHolder) {
  ASSERT_TRUE(fs().create_dirs(temp_.path()));
  auto lock = fs().lock_file(temp_ / "LOCK");
  ASSERT_TRUE(lock);
  const auto second = fs().lock_file(temp_ / "LOCK");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message, AllOf(HasSubstr("LOCK"), HasSubstr("process")));
  lock->reset();
  EXPECT_TRUE(fs().lock_file(temp_ / "LOCK"));
}

TEST(PosixFileSystem, FullDiskIsAStorageErrorThatSaysWhatToDo) {
  auto file = posix_file_system().open_append("/dev/full", OpenMode::kAppend).value();
  const auto status = file->append(as_byte_span("x"));
  ASSERT_FALSE(status);
  EXPECT_EQ(exit_code(status.error().code), 5);
  EXPECT_THAT(status.error().message, AllOf(HasSubstr("/dev/full"), HasSubstr("No space left"), HasSubstr("free space"),
                                            HasSubstr("run the same command again")));
}

TEST(PosixFileSystem, ContinuesAfterAShortWriteAndReportsWhatStopsIt) {
  TempDir temp;
  auto file = posix_file_system().open_append(temp / "f", OpenMode::kAppend).value();
  rlimit before;
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1000, before.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);  // the first write takes 1000 bytes, the next one fails
  const auto status = file->append(std::vector<std::byte>(1500));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, SIG_DFL);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kStorage);
  EXPECT_EQ(posix_file_system().file_size(temp / "f").value(), 1000u);
  EXPECT_EQ(file->size(), 1000u);
}

TEST(FaultyFileSystem, PowerLossDropsWhatWasNotSynced) {
  FaultyFileSystem fs;
  ASSERT_TRUE(fs.create_dirs("d"));
  auto file = fs.open_append("d/f", OpenMode::kAppend).value();
  ASSERT_TRUE(file->append(as_byte_span("kept")));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(fs.sync_dir("d"));
  ASSERT_TRUE(file->append(as_byte_span(" lost")));
  ASSERT_TRUE(fs.open_append("d/unsynced-name", OpenMode::kAppend).value()->sync());
  ASSERT_TRUE(fs.rename("d/f", "d/g"));
  auto lock = fs.lock_file("d/LOCK").value();
  fs.crash(Crash::kDropUnsynced);
  EXPECT_THAT(fs.list_dir("d").value(), ElementsAre(DirEntry{"f", false}));
  EXPECT_EQ(fs.read_text("d/f").value(), "kept");
  EXPECT_FALSE(file->append(as_byte_span("from the dead")));
  EXPECT_TRUE(fs.lock_file("d/LOCK"));
}

TEST(FaultyFileSystem, FolderRenameCarriesItsDurableFiles) {
  FaultyFileSystem fs;
  ASSERT_TRUE(fs.create_dirs("r/a"));
  ASSERT_TRUE(fs.open_append("r/a/synced", OpenMode::kAppend));
  ASSERT_TRUE(fs.sync_dir("r/a"));
  ASSERT_TRUE(fs.open_append("r/a/unsynced", OpenMode::kAppend));
  ASSERT_TRUE(fs.rename("r/a", "r/b"));
  ASSERT_TRUE(fs.sync_dir("r"));
  fs.crash(Crash::kDropUnsynced);
  EXPECT_THAT(fs.list_dir("r/b").value(), ElementsAre(DirEntry{"synced", false}));
  EXPECT_FALSE(fs.exists("r/a").value());
}

TEST(FaultyFileSystem, ProcessCrashKeepsEverythingWritten) {
  FaultyFileSystem fs;
  auto file = fs.open_append("f", OpenMode::kAppend).value();
  ASSERT_TRUE(file->append(as_byte_span("page cache")));
  fs.crash(Crash::kProcess);
  EXPECT_EQ(fs.read_text("f").value(), "page cache");
}

TEST(FaultyFileSystem, FailsTheCallsItWasToldTo) {
  FaultyFileSystem fs;
  auto file = fs.open_append("f", OpenMode::kAppend).value();
  const uint64_t calls = fs.calls();
  fs.fail_call(calls + 2, ENOSPC);
  EXPECT_TRUE(file->append(as_byte_span("1")));
  EXPECT_THAT(file->append(as_byte_span("2")).error().message, HasSubstr("No space left"));
  EXPECT_TRUE(file->append(as_byte_span("3")));
  fs.fail_calls_from(calls + 4, EIO);
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(fs.sync_dir(""));
  fs.clear_faults();
  EXPECT_TRUE(file->sync());
}

}  // namespace
}  // namespace prosodia
